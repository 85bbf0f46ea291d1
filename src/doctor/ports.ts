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
      const holds = (of: (run: Run) => readonly Address[]) =>
        alive.find((run) => of(run).map(formatAddress).includes(formatAddress(address)));
      const holder = holds(addressesOf) ?? holds(neighboursOf);
      if (holder !== undefined) return ok(check, `held by our own ${holder.kind}, pid ${holder.pid}`);
      const remedy = `choose another address (${setting})`;
      if (code !== 'EADDRINUSE') return fail(check, `cannot be listened on (${code})`, remedy);
      return fail(check, 'in use by another program', `stop what listens there, or ${remedy}`);
    }),
  );
}

/** What it listens on itself. */
function addressesOf(run: Run): readonly Address[] {
  switch (run.kind) {
    case 'gate':
    case 'supervisor':
      return [run.ops];
    case 'dev':
      return [...run.http, ...run.https];
    default:
      return run satisfies never;
  }
}

/** What others listen on for it: each gate knows those of all. */
function neighboursOf(run: Run): readonly Address[] {
  return run.kind === 'gate' ? run.ownListeners : [];
}

/** The system's code where nobody may listen there now; undefined where one may. */
function listenFault({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
