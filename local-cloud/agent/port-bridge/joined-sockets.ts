import type { Socket } from 'node:net';

/** Makes one byte pipe of two sockets that allow half-open: the end of one direction leaves the other as it is. */
export function join(a: Socket, b: Socket): void {
  forward(a, b);
  forward(b, a);
}

function forward(from: Socket, to: Socket): void {
  from.on('error', () => {});
  from.pipe(to);
  from.once('close', () => {
    if (!from.readableEnded || !from.writableFinished) breakOff(to);
  });
}

/** Not by an orderly end: the other side must learn that something is missing. A Unix socket knows no reset. */
function breakOff(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
