import { connect, createServer, type Socket } from 'node:net';
import { type ListenAddress, startListening } from '../listening.ts';

const LINE_MS = 5000;
const MOST_CONNECTIONS = 4096;

export interface PortBridge {
  readonly address: ListenAddress;
  /** Ends every connection at once. */
  close(): void;
}

/**
 * Connects the host to a sandbox's network namespace. A client sends `PORT <n>\n`. The bridge replies `OK\n`, after which
 * the connection is a byte pipe to that port of the loopback, or `REFUSED\n` (nothing listens), or `ERROR <code>\n`.
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
    // The client left before it named a port. After that, the other side decides when to close.
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

/** The replies to the first line of a connection. */
const OK = 'OK\n';
const REFUSED = 'REFUSED\n';
const errorLine = (code: string): string => `ERROR ${code}\n`;

/** `PORT 65535\n` */
export const LONGEST_LINE = 11;

export type PortLine =
  | { kind: 'partial' }
  | { kind: 'malformed' }
  | { kind: 'port'; port: number; rest: Buffer };

/** Reads `PORT <n>\n` from the start of a connection; `rest` is what followed. */
function readPortLine(bytes: Buffer): PortLine {
  const end = bytes.indexOf(0x0a);
  if (end === -1) return { kind: bytes.length < LONGEST_LINE ? 'partial' : 'malformed' };
  const port = Number(/^PORT ([1-9]\d{0,4})$/.exec(bytes.subarray(0, end).toString('latin1'))?.[1]);
  if (!(port <= 65_535)) return { kind: 'malformed' };
  return { kind: 'port', port, rest: bytes.subarray(end + 1) };
}

export type Dialled =
  | { kind: 'open'; socket: Socket }
  | { kind: 'refused' }
  | { kind: 'failed'; code: string };

/** Error codes of a loopback without IPv6. */
const NO_IPV6 = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH']);

/** Dials a port of the loopback, IPv4 first: a server may listen on either. */
async function dialPort(port: number): Promise<Dialled> {
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

/** Joins two half-open sockets into one byte pipe: each direction ends on its own. */
function join(a: Socket, b: Socket): void {
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

/** Not an orderly end: the other side must learn that bytes are missing. A Unix socket has no reset. */
function breakOff(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
