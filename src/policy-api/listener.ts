import { chmodSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type Address, type Endpoint, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { limitConnections } from '../http-guard.ts';
import { clearDeadSocket, prepareSocket } from '../state/socket-path.ts';

/** Longer than a write waits until it is in force, 2 s. */
const CLOSE_TIMEOUT_MS = 3000;

export interface ApiListener {
  /** The address, with the port that the system chose if it was 0; or the socket. */
  readonly at: Endpoint;
  /** Waits up to 3 s for open requests, then closes. */
  close(): Promise<void>;
}

/** Listens on a 0600 socket in a 0700 folder, or on TCP. Throws ADDRESS_IN_USE or STATE_UNUSABLE. */
export async function listenForApi(app: FastifyInstance, wanted: Endpoint): Promise<ApiListener> {
  const server = app.server as Server;
  limitConnections(server);
  const at = 'path' in wanted ? await onSocket(server, wanted.path) : await onTcp(server, wanted);
  return {
    at,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      await closed;
      clearTimeout(cut);
      await app.close();
      if ('path' in at) await clearDeadSocket(at.path);
    },
  };
}

async function onSocket(server: Server, path: string): Promise<{ path: string }> {
  await prepareSocket({ path, access: 'private' }, 'SANDGATE_POLICY_API');
  // The umask gives the socket its mode from the start; `listen` binds it synchronously.
  const umask = process.umask(0o177);
  const listening = listen(server, `unix:${path}`, () => server.listen(path));
  process.umask(umask);
  await listening;
  chmodSync(path, 0o600);
  return { path };
}

async function onTcp(server: Server, { host, port }: Address): Promise<Address> {
  await listen(server, formatAddress({ host, port }), () => server.listen(port, host));
  return { host, port: (server.address() as AddressInfo).port };
}

function listen(server: Server, endpoint: string, start: () => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    start();
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((cause: Error) => {
    throw new SandgateError('ADDRESS_IN_USE', `cannot listen on ${endpoint}: ${cause.message}`, {
      remedy: 'stop what listens there, or choose another address (SANDGATE_POLICY_API)',
      cause,
    });
  });
}
