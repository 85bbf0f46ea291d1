// Servers in Node for `npm run test:extra -- servers`: `server.mjs keep-alive|closing PORT`.
import { createServer } from 'node:http';
import { createServer as createRawServer } from 'node:net';

const KEEP_ALIVE_MS = 5;
const CLOSES_AFTER_MS = 10;
const [kind, port] = process.argv.slice(2);

if (kind === 'keep-alive') {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('hello'));
  });
  // Since Node 24 it waits for a buffer of a second longer than it says.
  Object.assign(server, { keepAliveTimeout: KEEP_ALIVE_MS, keepAliveTimeoutBuffer: 0 });
  server.listen(Number(port), '127.0.0.1');
} else {
  // Answers each head, and closes a little later without having said so.
  createRawServer((socket) => {
    socket.on('error', () => {});
    let text = '';
    socket.setEncoding('latin1').on('data', (part) => {
      text += part;
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end === -1 || text.length < end + 4 + length) return;
      text = '';
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
      setTimeout(() => socket.destroy(), CLOSES_AFTER_MS);
    });
  }).listen(Number(port), '127.0.0.1');
}
