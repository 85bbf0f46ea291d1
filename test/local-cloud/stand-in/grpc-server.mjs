// A user's gRPC server in a sandbox, without a library: `grpc-server.mjs <port> <name>`, only on 127.0.0.1. Echoes each
// message, with its name and the Host that it saw in the trailers.
import { createServer } from 'node:http2';

const [port, name] = process.argv.slice(2);
const server = createServer();
server.on('stream', (stream, headers) => {
  stream.on('error', () => {});
  const trailers = { 'grpc-status': '0', 'x-trailer': `${name} ${headers[':authority']}` };
  if (headers[':path']?.endsWith('/download'))
    return stream.respond(
      { ...trailers, ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '10' },
      { endStream: true },
    );
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.pipe(stream);
});
server.listen(Number(port), '127.0.0.1');
