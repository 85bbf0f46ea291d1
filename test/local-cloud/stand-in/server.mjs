// A user's server in a sandbox: `server.mjs <port> <name>`, only on 127.0.0.1.
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const [port, name] = process.argv.slice(2);
const server = createServer((request, response) => {
  switch (request.url) {
    case '/events':
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: first\n\n');
      request.socket.on('close', () => process.stdout.write('gone\n'));
      return;
    case '/upload': {
      const hash = createHash('sha256');
      request.on('data', (part) => hash.update(part)).on('end', () => response.end(hash.digest('hex')));
      return;
    }
    case '/download':
      response.end(Buffer.alloc(5_000_000, 'x'));
      return;
    case '/early':
      response.writeHead(413, { connection: 'close' }).end('too much');
      return;
    case '/broken':
      request.socket.destroy();
      return;
    case '/both-lengths':
      request.socket.end(
        'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      );
      return;
    case '/bare-lines':
      request.socket.end('HTTP/1.1 200 OK\nContent-Length: 2\n\nok');
      return;
    case '/odd-status':
      request.socket.end('HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n');
      return;
    case '/odd-switch':
      request.socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
      return;
    case '/not-http':
      request.socket.end('SSH-2.0-x\r\n');
      return;
    case '/cut':
      response.writeHead(200, { 'content-length': '100' }).write('part', () => request.socket.destroy());
      return;
    default:
      response.writeHead(207, 'Very Own', [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['X-Mixed-CASE', 'kept'],
      ]);
      response.end(
        JSON.stringify({ name, url: request.url, raw: request.rawHeaders, method: request.method }),
      );
  }
});
server.on('upgrade', (request, socket) => {
  socket.on('error', () => {});
  if (request.url === '/no') {
    socket.end('HTTP/1.1 418 No\r\nContent-Length: 3\r\nX-Why: tea\r\n\r\nno!');
    return;
  }
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  // One short frame, sent back unmasked.
  socket.on('data', (frame) => {
    const payload = frame
      .subarray(6, 6 + (frame[1] & 0x7f))
      .map((/** @type {number} */ byte, /** @type {number} */ n) => byte ^ frame[2 + (n % 4)]);
    socket.write(Buffer.concat([Buffer.from([frame[0], payload.length]), payload]));
  });
});
server.listen(Number(port), '127.0.0.1');
