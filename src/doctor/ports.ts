import { createServer } from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { isAlive } from '../server/process-identity.ts';
import type { Run } from '../server/run-file.ts';
import { type Finding, fail, ok } from './finding.ts';

/** An address that a start would listen on, and the setting that names it. */
export interface WantedAddress {
  address: Address;
  setting: string;
}

/** Whether each address is free, or held by a gate or stack of this state folder. Port 0 is always free. */
export async function checkPorts(wanted: readonly WantedAddress[], runs: readonly Run[]): Promise<Finding[]> {
  const alive = runs.filter(isAlive);
  return Promise.all(
    wanted.map(async ({ address, setting }) => {
      const check = `port ${formatAddress(address)}`;
      const code = address.port === 0 ? undefined : await listenFault(address);
      if (code === undefined) return ok(check, 'free');
      const holder = alive.find((run) => addressesOf(run).includes(formatAddress(address)));
      if (holder !== undefined) return ok(check, `held by our own ${holder.kind}, pid ${holder.pid}`);
      const remedy = `choose another address (${setting})`;
      if (code !== 'EADDRINUSE') return fail(check, `cannot be listened on (${code})`, remedy);
      return fail(check, 'in use by another program', `stop what listens there, or ${remedy}`);
    }),
  );
}

function addressesOf(run: Run): string[] {
  switch (run.kind) {
    case 'gate':
      return [run.ops, ...run.ownListeners].map(formatAddress);
    case 'supervisor':
      return [formatAddress(run.ops)];
    case 'dev':
      return [...run.http, ...run.https].map(formatAddress);
    default:
      return run satisfies never;
  }
}

/** The system's code where nobody may listen there now; undefined where one may. */
function listenFault({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
