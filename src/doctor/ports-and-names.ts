import { createServer } from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { isAlive } from '../state/process-identity.ts';
import type { Run } from '../state/run-file.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

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

const PATIENCE_MS = 3000;

/** Addresses that the system's resolver gives for a name; rejects where it gives none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The local cloud that runs, whose names programs can be helped with. */
export interface CloudNames {
  /** Without port. */
  domain: string;
  /** What to type. */
  remedy: string;
}

/** Whether clients on this machine find the domains and the sandbox hosts under them. */
export async function checkNames(
  domains: readonly string[],
  resolve: Resolve,
  cloud?: CloudNames,
): Promise<Finding[]> {
  const bases = domains.map((domain) => domain.replace(/^\*\.?/, '')).filter(Boolean);
  const names = [...new Set(bases)].flatMap((base) => [base, `8080-x.${base}`]);
  return Promise.all(names.map((name) => checkName(name, resolve, cloud)));
}

async function checkName(name: string, resolve: Resolve, cloud?: CloudNames): Promise<Finding> {
  const check = `name ${name}`;
  try {
    return ok(check, (await inTime(resolve(name))).join(', '));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    return warn(check, `the system does not resolve it (${why})`, remedyFor(name, cloud));
  }
}

function remedyFor(name: string, cloud: CloudNames | undefined): string {
  if (cloud !== undefined && `.${name}`.endsWith(`.${cloud.domain}`))
    return `for programs of this shell: ${cloud.remedy}`;
  if (name.endsWith('localhost'))
    return 'curl and browsers know *.localhost by themselves; for others add it to /etc/hosts, or route by header';
  return 'point a wildcard DNS record at the ingress, or give curl --connect-to';
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
