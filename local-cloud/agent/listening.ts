import { chmod, unlink } from 'node:fs/promises';
import { type AddressInfo, connect, type Server } from 'node:net';

/** Where to listen: a Unix socket, or a host and a port (0: any free one). */
export type ListenAddress = { path: string } | { host: string; port: number };

/** Reads `/run/agent.sock`, `./agent.sock`, `127.0.0.1:49983` or `[::1]:0`. Throws an Error that says what is wrong. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.includes('/')) {
    // Node silently truncates a path of more than about 107 bytes, and then listens somewhere else.
    if (Buffer.byteLength(text) > 100) throw new Error('a socket path must not be longer than 100 bytes');
    return { path: text };
  }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) throw new Error('expected /path/to.sock or host:port');
  return { host, port };
}

export function formatListenAddress(at: ListenAddress): string {
  if ('path' in at) return at.path;
  return at.host.includes(':') ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`;
}

/**
 * Listens, and resolves with the real address (a port 0 is filled in). A socket gets mode 0600. A stale socket is removed,
 * but only after a connect to it was refused; for a live one this rejects with EADDRINUSE.
 */
export async function startListening(server: Server, at: ListenAddress): Promise<ListenAddress> {
  try {
    await listen(server, at);
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (!taken || !('path' in at) || !(await isStale(at.path))) throw error;
    await unlink(at.path);
    await listen(server, at);
  }
  if ('path' in at) {
    await chmod(at.path, 0o600);
    return at;
  }
  return { host: at.host, port: (server.address() as AddressInfo).port };
}

function listen(server: Server, at: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
