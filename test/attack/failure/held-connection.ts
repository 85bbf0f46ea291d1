import { connect, type Socket } from 'node:net';

/** Opens a connection that writes these bytes and never closes its side. */
export function hold(at: number, bytes: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port: at, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {});
    socket.resume();
    socket.once('connect', () => {
      socket.write(bytes, 'latin1');
      resolve(socket);
    });
  });
}
