import { connect, type Socket } from 'node:net';

export type Dialled =
  | { kind: 'open'; socket: Socket }
  | { kind: 'refused' }
  | { kind: 'failed'; code: string };

/** What a loopback without IPv6 says. */
const NO_IPV6 = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH']);

/** Dials a port of the loopback, IPv4 first: a server may listen on either. */
export async function dialPort(port: number): Promise<Dialled> {
  const first = await dial('127.0.0.1', port);
  if (first.kind !== 'refused') return first;
  const second = await dial('::1', port);
  return second.kind === 'failed' && NO_IPV6.has(second.code) ? first : second;
}

function dial(host: string, port: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const failed = (error: NodeJS.ErrnoException) => {
      resolve(
        error.code === 'ECONNREFUSED' ? { kind: 'refused' } : { kind: 'failed', code: error.code ?? 'EIO' },
      );
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve({ kind: 'open', socket });
    });
  });
}
