import { chmod, unlink } from 'node:fs/promises';
import { type AddressInfo, connect, type Server } from 'node:net';
import type { ListenAddress } from './listen-address.ts';

/**
 * Listens, and says where (a port 0 is filled in). A socket is 0600: its folder and owner decide who comes in. A
 * stale one is unlinked, but only once a connect to it was refused; the error of a live one is EADDRINUSE.
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
