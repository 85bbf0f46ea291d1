import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A server below HTTP: it counts the heads of requests, and does with each what the test says. */
export interface RawServer {
  readonly port: number;
  /** Heads that arrived since the start. */
  readonly requests: number;
  close(): Promise<void>;
}

const HEAD = /[A-Z]+ \S+ HTTP\/1\.1\r\n(.+\r\n)+\r\n/;

/** `nth` counts the requests of one connection, from 1. */
export type Treat = (socket: Socket, nth: number) => void;

export async function startRawServer(treat: Treat, port = 0): Promise<RawServer> {
  const open = new Set<Socket>();
  let requests = 0;
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    let unread = '';
    let nth = 0;
    socket.setEncoding('latin1').on('data', (text: string) => {
      unread += text;
      for (let head = HEAD.exec(unread); head; head = HEAD.exec(unread)) {
        unread = unread.slice(head.index + head[0].length);
        requests++;
        nth++;
        treat(socket, nth);
      }
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get requests() {
      return requests;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
