import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** `refused`: nothing listens on that port yet. `failed`: the sandbox cannot be reached. */
export type Dialled = { kind: 'open'; socket: Socket } | { kind: 'refused' } | { kind: 'failed' };

/** Longer than any reply of a bridge, so whatever sent it is not one. */
const LONGEST_LINE = 64;

/**
 * Waits between tries while refused, 1.5 s in total: a server that the previous call started may not listen yet. Envoy asks
 * a second time for a safe method, and both together must stay below the 4 s of docs/contract.md.
 */
const PAUSES_MS = [50, 50, 100, 100, 200, 250, 250, 250, 250];

/** Opens a raw byte pipe to `port` inside a sandbox. */
export async function dial(bridgeSocket: string, port: number, cancel: AbortSignal): Promise<Dialled> {
  for (const wait of PAUSES_MS) {
    const dialled = await dialOnce(bridgeSocket, port, cancel);
    if (dialled.kind !== 'refused' || cancel.aborted) return dialled;
    await pause(wait, undefined, { signal: cancel }).catch(() => {});
  }
  return dialOnce(bridgeSocket, port, cancel);
}

/** Sends the port to the bridge, which replies with one line: `OK`, `REFUSED`, or `ERROR <code>`. */
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
    // Not `data`: the next user of the socket starts its flow by listening, so nothing is lost in between.
    const read = () => {
      line = Buffer.concat([line, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
      const newline = line.indexOf(10);
      if (newline === -1) return line.length > LONGEST_LINE ? fail() : undefined;
      const word = line.toString('latin1', 0, newline);
      if (word !== 'OK') return end({ kind: word === 'REFUSED' ? 'refused' : 'failed' });
      // The server may have sent the first bytes.
      if (newline + 1 < line.length) socket.unshift(line.subarray(newline + 1));
      end({ kind: 'open', socket });
    };
    cancel.addEventListener('abort', fail, { once: true });
    socket.on('close', fail).on('end', fail).on('error', fail).on('readable', read);
    socket.write(`PORT ${port}\n`);
    if (cancel.aborted) fail();
  });
}
