import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type ApiUrl, formatApiUrl, parseEndpoint } from '../address.ts';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { type PolicyRules, parseNetworks } from '../policy/network.ts';
import type { PolicyStore } from '../policy/store.ts';
import { findStore, openStore, policyRules, storeAdmin } from '../policy-access.ts';
import { HttpPolicyAdmin } from '../policy-api/client/http-client.ts';
import { readKeyFile } from '../policy-api/keys-file.ts';
import type { InForceAt, PolicyAdmin } from '../policy-api/policy-admin.ts';
import type { Settings } from '../settings.ts';
import { liveApis } from '../state/run-file.ts';
import { settingsBesideGates } from './gate-settings.ts';
import { type Io, warn } from './io.ts';

/** The policies, opened for one command. */
export interface Policies {
  admin: PolicyAdmin;
  connection: Connection;
  /** The rules that policies must meet there, as far as this process can know them. */
  rules: PolicyRules;
  settings: Settings;
}

/** How a command reaches the policies; shown on stderr, and as `via` in JSON output. */
export type Connection =
  | { kind: 'api'; api: string }
  | { kind: 'gate'; pid: number; api: string }
  | { kind: 'store'; stateDir: string; gates: number };

/** Rules for a gate that was named by URL only: its settings are not known here; it checks them itself. */
const UNKNOWN_RULES: PolicyRules = {
  routing: 'ingress',
  publicTraffic: 'allow',
  networks: parseNetworks(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1']),
  isOwnListener: () => false,
  isNodeProxy: () => false,
};

/** Opens the policies for one command; see `CommandContext.connect`. */
export async function withPolicies<T>(
  io: Io,
  flags: Flags,
  { quiet, reads }: { quiet: boolean; reads: boolean },
  work: (policies: Policies) => Promise<T>,
): Promise<T> {
  const { settings, gates } = settingsBesideGates(flags);
  const rules = policyRules(settings);
  const api = await findConnection(settings);
  if (api !== undefined) {
    const { connection, admin } = api;
    if (!quiet) warn(io, describeConnection(connection));
    return work({ admin, connection, settings, rules: connection.kind === 'gate' ? rules : UNKNOWN_RULES });
  }
  return withStore(settings, reads, async (store) => {
    const connection: Connection = { kind: 'store', stateDir: settings.stateDir, gates: gates.length };
    if (!quiet) warn(io, describeConnection(connection));
    return work({ admin: storeAdmin(store, rules, settings.stateDir), connection, settings, rules });
  });
}

/** Opens the store of the state folder itself; `explain` needs it to show records exactly as stored. */
export async function withStore<T>(
  settings: Settings,
  reads: boolean,
  work: (store: PolicyStore) => Promise<T>,
): Promise<T> {
  const store = reads ? await findStore(settings) : await openStore(settings);
  if (store === undefined) {
    throw new SandgateError('STATE_UNUSABLE', `there are no policies in ${settings.stateDir}`, {
      remedy: 'put one, start a gate there, or name the intended state folder (--state-dir)',
    });
  }
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Exceeds the time that a write waits for other gates (2 s) and for a lock on the store (2 s). */
const TIME_LIMIT_MS = 15_000;
/** A gate that is stopped or starved still accepts connections; another gate may answer at once. */
const PROBE_MS = 2000;

function describeConnection(connection: Connection): string {
  switch (connection.kind) {
    case 'api':
      return `via the policy API at ${connection.api}`;
    case 'gate':
      return `via the gate with pid ${connection.pid}`;
    case 'store': {
      const { gates, stateDir } = connection;
      const why =
        gates > 0 ? `no gate on ${stateDir} offers a policy API` : `no gate is running on ${stateDir}`;
      return `using the store directly (${why})`;
    }
    default:
      return connection satisfies never;
  }
}

/**
 * Finds the policy API to use: the one that the settings name, else that of the first gate of the state folder that
 * answers. Undefined if no gate offers one. Throws API_UNREACHABLE if gates offer one and none answers: after a write
 * to the store behind their backs, it would be unknown when that write is in force.
 */
async function findConnection(
  settings: Settings,
): Promise<{ connection: Connection; admin: PolicyAdmin } | undefined> {
  const { policyApiUrl, policyApiCa, stateDir } = settings;
  // A unix socket needs no key, so the process that listens there does not get to see one.
  const keyFor = (at: ApiUrl) => ('path' in at ? undefined : keyOf(settings));
  if (policyApiUrl !== undefined) {
    const admin = new HttpPolicyAdmin({
      at: policyApiUrl,
      key: keyFor(policyApiUrl),
      ca: policyApiCa === undefined ? undefined : readCa(policyApiCa),
      timeLimitMs: TIME_LIMIT_MS,
    });
    return { connection: { kind: 'api', api: formatApiUrl(policyApiUrl) }, admin };
  }
  const failures: string[] = [];
  for (const { pid, policyApi } of liveApis(stateDir)) {
    if (policyApi === undefined) continue;
    const at = parseEndpoint(policyApi);
    const endpoint = { at, key: keyFor(at) };
    try {
      await new HttpPolicyAdmin({ ...endpoint, timeLimitMs: PROBE_MS }).list({ limit: 1 });
    } catch (error) {
      if (!(error instanceof SandgateError) || error.code !== 'API_UNREACHABLE') throw error;
      failures.push(`pid ${pid}: ${error.message}`);
      continue;
    }
    const admin = new HttpPolicyAdmin({ ...endpoint, timeLimitMs: TIME_LIMIT_MS });
    return { connection: { kind: 'gate', pid, api: formatApiUrl(at) }, admin };
  }
  if (failures.length === 0) return undefined;
  throw new SandgateError('API_UNREACHABLE', `no gate on ${stateDir} answers (${failures.join('; ')})`, {
    remedy: 'see the log of that gate, stop it if it hangs, and run the command again',
  });
}

/** The key for a policy API on TCP; the file takes precedence over the environment. */
function keyOf({ policyApiKeyFile: file, policyApiKey }: Settings): string | undefined {
  if (file === undefined) return policyApiKey;
  return readKeyFile(
    file,
    'SANDGATE_POLICY_API_KEY_FILE (--policy-api-key-file)',
    'name a file whose first line is one of the keys of the gate',
  );
}

/** Throws SETTINGS_INVALID for a file without a certificate: TLS would ignore it and trust the system roots. */
function readCa(file: string): string {
  const invalid = (reason: string, cause: unknown) =>
    new SandgateError('SETTINGS_INVALID', `SANDGATE_POLICY_API_CA (--policy-api-ca): ${file} ${reason}`, {
      remedy: 'name a PEM file with the certificate of the CA',
      cause,
    });
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(`cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw invalid('does not contain a certificate', cause);
  }
  return pem;
}

/** The end of a message that says what was written. */
export function inForceText({ gates, inForce }: InForceAt, connection: Connection): string {
  if (gates === 0)
    return connection.kind === 'store' ? 'written; no gate runs on this state folder' : 'written';
  if (!inForce) return 'written';
  return `in force at ${gates} gate${gates === 1 ? '' : 's'}`;
}

export function warnIfNotInForce(io: Io, { gates, inForce }: InForceAt): void {
  if (!inForce && gates > 0)
    warn(io, `written, but not yet in force at all ${gates} gates; see /readyz of each gate`);
}
