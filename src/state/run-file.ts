import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { makeFolder, replaceFiles } from '../folder.ts';
import type { SharedSettings } from '../settings.ts';
import { isAlive, type ProcessIdentity } from './process-identity.ts';

/** What commands on the same machine read about a running gate: `<state>/run/<pid>.json`. Contains no secret. */
export interface GateRun extends ProcessIdentity, Omit<SharedSettings, 'publicTraffic'> {
  kind: 'gate';
  /** If absent, the gate allows it. */
  publicTraffic?: SharedSettings['publicTraffic'];
  /** `unix:/path` or `host:port` that Envoy connects to. */
  check: string;
  /** `unix:/path` or `host:port` of the policy API; absent if it is off. */
  policyApi?: string;
  /** Where `/readyz` is served. */
  ops: Address;
  ownListeners: readonly Address[];
  /** If absent, the gate knows none. */
  nodeProxies?: readonly Address[];
  /** Whether the gate honors `access.shadowUntil`; if absent, it does not. */
  allowShadow?: boolean;
}

/** Written by `dev`, so that the next start can end what a killed one left running. */
export interface DevRun extends ProcessIdentity {
  kind: 'dev';
  children: readonly ProcessIdentity[];
  /** Where Envoy listens; empty until it does. */
  http: readonly Address[];
  https: readonly Address[];
  /** What programs need to reach the local cloud; absent until it is ready. */
  client?: {
    /** Domain of sandbox URLs, with the port. */
    domain: string;
    /** PEM file. */
    ca: string;
    /** IP addresses of the TLS ingress. */
    addresses: readonly string[];
  };
}

/** Written by a supervisor of gate processes, each of which also has a file of its own. */
export interface SupervisorRun extends ProcessIdentity {
  kind: 'supervisor';
  children: readonly ProcessIdentity[];
  /** The policy API and `/readyz` for all of its gates, in the form of `GateRun`. */
  policyApi?: string;
  ops: Address;
}

export type Run = GateRun | DevRun | SupervisorRun;

const folder = (stateDir: string) => join(stateDir, 'run');
const file = (stateDir: string, pid: number) => join(folder(stateDir), `${pid}.json`);

/** Writes the file atomically. Throws STATE_UNUSABLE. */
export function writeRun(stateDir: string, run: Run): void {
  try {
    makeFolder(folder(stateDir), 0o700);
    const text = `${JSON.stringify(run, null, 2)}\n`;
    replaceFiles([{ path: file(stateDir, run.pid), text, mode: 0o600 }]);
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

/** Every readable run file, including those of dead processes. */
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

/** How to reach the local cloud of the live `dev` of this state folder, if there is one that is ready. */
export function liveClient(stateDir: string): DevRun['client'] {
  return readRuns(stateDir).flatMap((run) =>
    run.kind === 'dev' && isAlive(run) && run.client ? [run.client] : [],
  )[0];
}

/** Live processes that may offer a policy API: gates, and supervisors on behalf of theirs. */
export function liveApis(stateDir: string): (GateRun | SupervisorRun)[] {
  return readRuns(stateDir).filter(
    (run): run is GateRun | SupervisorRun => run.kind !== 'dev' && isAlive(run),
  );
}
