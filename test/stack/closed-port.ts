import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { eventually } from './eventually.ts';

export interface HeldPort {
  port: number;
  /** Lets a server that starts late listen there. */
  giveTo(server: Server): Promise<void>;
}

/**
 * A port of 127.0.0.1 on which nothing listens, and nothing will until it is given to a server: it is the local
 * end of an open connection, so the system gives it to no server that asks for port 0. The port of a
 * server that was closed may belong to a server of another test a moment later.
 */
export async function holdPort(): Promise<HeldPort> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  server.close();
  for (const socket of [client, accepted]) socket.on('error', () => {}).unref();
  const port = client.localPort as number;
  return {
    port,
    async giveTo(late) {
      // A reset leaves no TIME_WAIT, which would keep the port taken for a minute.
      client.resetAndDestroy();
      // A connect of another process may get the port first, for a moment.
      await eventually(async () => {
        late.listen(port, '127.0.0.1');
        await once(late, 'listening');
      });
    },
  };
}

/** A port of 127.0.0.1 on which nothing listens, and nothing will until this process ends. */
export const closedPort = async (): Promise<number> => (await holdPort()).port;
