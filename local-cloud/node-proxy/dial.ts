import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** `refused`: nobody listens on that port, yet. `failed`: there is no way to it. */
export type Dialled = { kind: 'open'; socket: Socket } | { kind: 'refused' } | { kind: 'failed' };

/** Longer than any answer of a bridge: another protocol is spoken there. */
const LONGEST_LINE = 64;

/** Waits between tries while refused, 2 s in all: a server that the previous call started may not listen yet (contract §2). */
const PAUSES_MS = [50, 50, 100, 100, 200, 250, 250, 250, 250, 250, 250];

/** A raw byte pipe to `port` inside a sandbox. */
export async function dial(bridgeSocket: string, port: number, cancel: AbortSignal): Promise<Dialled> {
  for (const wait of PAUSES_MS) {
    const dialled = await dialOnce(bridgeSocket, port, cancel);
    if (dialled.kind !== 'refused' || cancel.aborted) return dialled;
    await pause(wait, undefined, { signal: cancel }).catch(() => {});
  }
  return dialOnce(bridgeSocket, port, cancel);
}

/** Asks the bridge, which answers one line: `OK`, `REFUSED`, or `ERROR <code>`. */
function dialOnce(bridgeSocket: string, port: number, cancel: AbortSignal): Promise<Dialled> {
  return new Promise((resolve) => {
    const socket = connect({ path: bridgeSocket, allowHalfOpen: true });
    let line = Buffer.alloc(0);
    const end = (dialled: Dialled) => {
      cancel.removeEventListener('abort', fail);
      socket.off('close', fail).off('end', fail).off('error', fail).off('readable', read);
      if (dialled.kind !== 'open') socket.on('error', () => {}).destroy();
      resolve(dialled);
    };
    const fail = () => end({ kind: 'failed' });
    // Not `data`: whoever gets the socket next starts its flow by listening, and nothing is lost before.
    const read = () => {
      line = Buffer.concat([line, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
      const newline = line.indexOf(10);
      if (newline === -1) return line.length > LONGEST_LINE ? fail() : undefined;
      const word = line.toString('latin1', 0, newline);
      if (word !== 'OK') return end({ kind: word === 'REFUSED' ? 'refused' : 'failed' });
      // A server may speak first.
      if (newline + 1 < line.length) socket.unshift(line.subarray(newline + 1));
      end({ kind: 'open', socket });
    };
    cancel.addEventListener('abort', fail, { once: true });
    socket.on('close', fail).on('end', fail).on('error', fail).on('readable', read);
    socket.write(`PORT ${port}\n`);
    if (cancel.aborted) fail();
  });
}
