// A sandbox that accepts every WebSocket handshake and echoes each frame unread.
// usage: node bench/stack/websocket-sandbox.mjs <file>; writes its port to the file
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const server = createServer((socket) => {
  let head = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    if (head === 'done') {
      echo(socket, chunk);
      return;
    }
    head += chunk.toString('latin1');
    if (!head.includes('\r\n\r\n')) return;
    const key = /^sec-websocket-key: *(.*)\r$/im.exec(head)?.[1] ?? '';
    const accept = createHash('sha1')
      .update(key + GUID)
      .digest('base64');
    head = 'done';
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
  });
});
// Any address of 127.0.0.0/8.
server.listen(0, '0.0.0.0', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  writeFileSync(process.argv[2] ?? '', String(port));
  console.log('sandgate ready: the sandbox');
});

/**
 * Small text frames and the close frame, unmasked; the load sends nothing else.
 * @param {import('node:net').Socket} socket @param {Buffer} frame
 */
function echo(socket, frame) {
  let at = 0;
  while (at + 6 <= frame.length) {
    const length = (frame[at + 1] ?? 0) & 0x7f;
    const mask = frame.subarray(at + 2, at + 6);
    const payload = frame.subarray(at + 6, at + 6 + length).map((byte, n) => byte ^ (mask[n % 4] ?? 0));
    socket.write(Buffer.concat([Buffer.from([frame[at] ?? 0, length]), payload]));
    if (((frame[at] ?? 0) & 0x0f) === 8) socket.end();
    at += 6 + length;
  }
}
