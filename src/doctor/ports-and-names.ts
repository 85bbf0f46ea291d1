import { createServer } from 'node:net';
import { type Address, formatAddress } from '../address.ts';
import { isAlive } from '../state/process-identity.ts';
import type { Run } from '../state/run-file.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

/** An address that Sandgate would listen on, and its setting. */
export interface WantedAddress {
  address: Address;
  setting: string;
}

/** Checks whether each address is free, or used by a gate or stack of this state folder. Port 0 is always free. */
export async function checkPorts(wanted: readonly WantedAddress[], runs: readonly Run[]): Promise<Finding[]> {
  const alive = runs.filter(isAlive);
  return Promise.all(
    wanted.map(async ({ address, setting }) => {
      const check = `port ${formatAddress(address)}`;
      const code = address.port === 0 ? undefined : await listenFault(address);
      if (code === undefined) return ok(check, 'free');
      const findHolder = (addresses: (run: Run) => readonly Address[]) =>
        alive.find((run) => addresses(run).map(formatAddress).includes(formatAddress(address)));
      const holder = findHolder(addressesOf) ?? findHolder(neighborsOf);
      if (holder !== undefined) return ok(check, `used by our own ${holder.kind}, pid ${holder.pid}`);
      const remedy = `choose another address (${setting})`;
      if (code !== 'EADDRINUSE') return fail(check, `cannot listen on it (${code})`, remedy);
      return fail(check, 'in use by another program', `stop what listens there, or ${remedy}`);
    }),
  );
}

/** Addresses that the process itself listens on. */
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

/** Addresses that related processes listen on: each gate knows those of all gates. */
function neighborsOf(run: Run): readonly Address[] {
  return run.kind === 'gate' ? run.ownListeners : [];
}

/** The system's error code if it is not possible to listen there now; undefined if it is. */
function listenFault({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

const RESOLVE_WITHIN_MS = 3000;

/** The addresses of a name from the system's resolver; rejects if there are none. */
export type Resolve = (name: string) => Promise<readonly string[]>;

/** The running local cloud, for whose names there is a remedy. */
export interface CloudNames {
  /** Without port. */
  domain: string;
  /** The command to type. */
  remedy: string;
}

/** Checks whether clients on this machine can resolve the domains and the sandbox hosts under them. */
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
    return 'curl and browsers resolve *.localhost on their own; for other clients, add it to /etc/hosts, or route by header';
  return 'point a wildcard DNS record at the ingress, or give curl --connect-to';
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no answer in ${RESOLVE_WITHIN_MS / 1000} s`)),
      RESOLVE_WITHIN_MS,
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
