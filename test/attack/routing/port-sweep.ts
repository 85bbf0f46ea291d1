import type { ClientHttp2Session } from 'node:http2';
import type { Address } from '../../../src/address.ts';
import { http2Session } from '../../stack/client.ts';
import { hostOf } from '../../stack/test-stack.ts';

/** Concurrent streams per connection, well below the 100 that Envoy accepts. */
const STREAMS = 32;

/**
 * Requests each of these ports of one sandbox from one client, as many at once as `connections` allow. Returns the number
 * of answers per status. `from`: the client's address, any of 127.0.0.0/8.
 */
export async function sweep(
  ingress: Address,
  sandboxId: string,
  ports: Iterable<number>,
  connections: number,
  { headers = {}, from }: { headers?: Record<string, string>; from?: string } = {},
): Promise<Map<number, number>> {
  const rest = ports[Symbol.iterator]();
  const statuses = new Map<number, number>();
  const walk = async (session: ClientHttp2Session) => {
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const status = await statusAt(session, hostOf(next.value, sandboxId), headers);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  const sessions = await Promise.all(Array.from({ length: connections }, () => http2Session(ingress, from)));
  await Promise.all(sessions.flatMap((session) => Array.from({ length: STREAMS }, () => walk(session))));
  for (const session of sessions) session.destroy();
  return statuses;
}

function statusAt(
  session: ClientHttp2Session,
  host: string,
  headers: Record<string, string>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':authority': host, ...headers }, { endStream: true });
    stream.on('response', (answered) => {
      resolve(Number(answered[':status']));
      stream.resume();
    });
    stream.on('error', reject);
  });
}

export function* range(first: number, last: number): Generator<number> {
  for (let port = first; port <= last; port++) yield port;
}
