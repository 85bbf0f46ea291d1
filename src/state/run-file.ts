import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** What a running gate tells the commands beside it: `<state>/run/<pid>.json`. Holds no secret. */
export interface GateRun extends ProcessIdentity {
  kind: 'gate';
  /** `unix:/path` or `host:port` that Envoy asks. */
  check: string;
  /** `unix:/path` or `host:port` of the policy API; absent where it is off. */
  policyApi?: string;
  /** Of `/readyz`. */
  ops: Address;
  domains: readonly string[];
  routing: 'gate' | 'ingress';
  sandboxCidrs: readonly string[];
  ownListeners: readonly Address[];
  store: 'embedded' | 'files';
  policyDir: string;
  /** Whether `access.shadowUntil` counts; a gate that does not say enforces. */
  allowShadow?: boolean;
}

/** What `dev` leaves, so that the next start can end what a killed one left running. */
export interface DevRun extends ProcessIdentity {
  kind: 'dev';
  children: readonly ProcessIdentity[];
  /** Where its Envoy listens; empty until it does. */
  http: readonly Address[];
  https: readonly Address[];
  /** Once the local cloud is ready: what programs need to reach it. */
  client?: {
    /** Of sandbox URLs, with the port. */
    domain: string;
    /** PEM file. */
    ca: string;
    /** IP addresses of the TLS ingress. */
    addresses: readonly string[];
  };
}

/** What a supervisor of gate processes leaves; each of those has a file of its own. */
export interface SupervisorRun extends ProcessIdentity {
  kind: 'supervisor';
  children: readonly ProcessIdentity[];
  /** Of the policy API and `/readyz` that stand for all of them, as in `GateRun`. */
  policyApi?: string;
  ops: Address;
}

export type Run = GateRun | DevRun | SupervisorRun;

const folder = (stateDir: string) => join(stateDir, 'run');
const file = (stateDir: string, pid: number) => join(folder(stateDir), `${pid}.json`);

/** Whole or not at all; throws STATE_UNUSABLE. */
export function writeRun(stateDir: string, run: Run): void {
  try {
    makeFolder(folder(stateDir), 0o700);
    const draft = `${file(stateDir, run.pid)}.new`;
    writeFileSync(draft, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 });
    renameSync(draft, file(stateDir, run.pid));
  } catch (error) {
    throw new SandgateError(
      'STATE_UNUSABLE',
      `cannot write to ${folder(stateDir)}: ${(error as Error).message}`,
      {
        remedy: 'make the state folder writable, or choose another one (SANDGATE_STATE_DIR)',
        cause: error,
      },
    );
  }
}

export function removeRun(stateDir: string, pid: number): void {
  rmSync(file(stateDir, pid), { force: true });
}

/** Every run file that can be read, those of dead processes too. */
export function readRuns(stateDir: string): Run[] {
  let names: string[];
  try {
    names = readdirSync(folder(stateDir)).filter((name) => /^\d+\.json$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(join(folder(stateDir), name), 'utf8')) as Run];
    } catch {
      return [];
    }
  });
}

export function liveGates(stateDir: string): GateRun[] {
  return readRuns(stateDir).filter((run): run is GateRun => run.kind === 'gate' && isAlive(run));
}

/** The `dev` of this state folder that is ready with a local cloud. */
export function liveClient(stateDir: string): DevRun['client'] {
  return readRuns(stateDir).flatMap((run) =>
    run.kind === 'dev' && isAlive(run) && run.client ? [run.client] : [],
  )[0];
}

/** Those who may offer a policy API: a supervisor does for its gates. */
export function liveApis(stateDir: string): (GateRun | SupervisorRun)[] {
  return readRuns(stateDir).filter(
    (run): run is GateRun | SupervisorRun => run.kind !== 'dev' && isAlive(run),
  );
}
