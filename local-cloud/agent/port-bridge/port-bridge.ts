import { createServer, type Socket } from 'node:net';
import type { ListenAddress } from '../listen-address.ts';
import { startListening } from '../listening.ts';
import { dialPort } from './dial-port.ts';
import { join } from './joined-sockets.ts';
import { errorLine, OK, REFUSED, readPortLine } from './port-line.ts';

const LINE_MS = 5000;
const MOST_CONNECTIONS = 4096;

export interface PortBridge {
  readonly address: ListenAddress;
  /** Ends every connection at once. */
  close(): void;
}

/**
 * The way into a sandbox's network namespace: a connection says `PORT <n>\n` and is answered `OK\n`, after which it
 * is a byte pipe to that port of the loopback, or `REFUSED\n` (nobody listens), or `ERROR <code>\n`.
 */
export async function startPortBridge(at: ListenAddress): Promise<PortBridge> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    open.add(client);
    client.once('close', () => open.delete(client));
    client.on('error', () => {});
    client.setTimeout(LINE_MS, () => client.destroy());
    let line = Buffer.alloc(0);
    const onData = (bytes: Buffer) => {
      line = Buffer.concat([line, bytes]);
      const read = readPortLine(line);
      if (read.kind === 'partial') return;
      client.off('data', onData);
      client.pause();
      client.setTimeout(0);
      client.removeAllListeners('timeout');
      if (read.kind === 'malformed') return refuse(client, errorLine('EINVAL'));
      client.unshift(read.rest);
      void connectThrough(client, read.port);
    };
    client.on('data', onData);
    // One that leaves before it named a port; later the far side decides.
    client.once('end', () => client.listeners('data').includes(onData) && client.end());
  });
  server.maxConnections = MOST_CONNECTIONS;
  const address = await startListening(server, at);
  return {
    address,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function connectThrough(client: Socket, port: number): Promise<void> {
  const dialled = await dialPort(port);
  switch (dialled.kind) {
    case 'refused':
      return refuse(client, REFUSED);
    case 'failed':
      return refuse(client, errorLine(dialled.code));
    case 'open':
      if (client.destroyed) return void dialled.socket.destroy();
      client.write(OK);
      return join(client, dialled.socket);
    default:
      dialled satisfies never;
  }
}

function refuse(client: Socket, line: string): void {
  client.end(line);
  client.resume();
}
