import { connect } from 'node:net';

/**
 * One HTTP/1.1 keep-alive connection with at most one open request. Small on purpose: the fewer cycles it takes, the
 * less it distorts measurements on the same machine.
 * @typedef {{ send(bytes: Buffer): void, close(): void }} Connection
 */

/**
 * @param {number} port
 * @param {{ onOpen(): void, onStatus(status: number): void, onBroken(): void }} events Broken: it is of no more use.
 * @returns {Connection}
 */
export function openConnection(port, { onOpen, onStatus, onBroken }) {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let text = '';
  let closed = false;
  const broken = () => {
    if (closed) return;
    closed = true;
    onBroken();
  };
  socket.on('connect', onOpen);
  socket.on('error', broken);
  socket.on('close', broken);
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const status = Number(text.slice(9, 12));
    const length = status === 101 ? 0 : Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
    if (text.length < end + 4 + length) return;
    text = '';
    onStatus(status);
  });
  return {
    send: (bytes) => void socket.write(bytes),
    close() {
      closed = true;
      socket.destroy();
    },
  };
}
