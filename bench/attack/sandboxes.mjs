// The servers of the sandboxes that an attacker uses, in a process of their own.
// usage: node bench/attack/sandboxes.mjs <address>; sends their ports over IPC
import { createServer } from 'node:net';

const MUCH = Buffer.alloc(65_536);

/** @type {Record<string, (socket: import('node:net').Socket) => void>} */
const answers = {
  quick: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'),
  silent: () => {},
  firehose: (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n');
    const more = () => {
      while (!socket.destroyed && socket.write(MUCH));
    };
    socket.on('drain', more);
    more();
  },
  socket: (socket) =>
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: unused\r\n\r\n',
    ),
};

/** Starts all of them. @param {string} host @returns {Promise<{ ports: Record<string, number>, close(): void }>} */
export async function startSandboxes(host) {
  /** @type {Set<import('node:net').Socket>} */
  const open = new Set();
  const servers = await Promise.all(
    Object.entries(answers).map(async ([name, answer]) => {
      const server = createServer((socket) => {
        open.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => open.delete(socket));
        socket.once('data', () => answer(socket));
        socket.resume();
      });
      await new Promise((resolve) => server.listen(0, host, 4096, () => resolve(undefined)));
      return /** @type {const} */ ([name, server]);
    }),
  );
  const portOf = (/** @type {import('node:net').Server} */ server) =>
    /** @type {import('node:net').AddressInfo} */ (server.address()).port;
  return {
    ports: Object.fromEntries(servers.map(([name, server]) => [name, portOf(server)])),
    close() {
      for (const [, server] of servers) server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

if (process.send) {
  const { ports } = await startSandboxes(process.argv[2] ?? '127.0.0.1');
  process.send(ports);
  process.once('disconnect', () => process.exit());
}
