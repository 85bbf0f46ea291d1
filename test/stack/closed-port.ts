import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/**
 * A port of 127.0.0.1 on which nothing listens, and which the system gives to nobody until this process ends; a server
 * that asks for this very port may listen there. The port of a server that was closed may belong to another test's
 * server a moment later. This one is the port of a server that was closed after it accepted a connection: the connection
 * stays open, and keeps the port.
 */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect(port, '127.0.0.1');
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  server.close();
  for (const socket of [client, accepted]) socket.on('error', () => {}).unref();
  return port;
}
