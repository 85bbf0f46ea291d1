import { readFileSync } from 'node:fs';
import { type Endpoint, formatEndpoint, parseEndpoint } from '../address.ts';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { type PolicyRules, parseNetworks } from '../policy/network.ts';
import type { PolicyStore } from '../policy/store.ts';
import { findStore, openStore, policyRules, storeAdmin } from '../policy-access.ts';
import { HttpPolicyAdmin } from '../policy-api/client/http-client.ts';
import type { InForceAt, PolicyAdmin } from '../policy-api/policy-admin.ts';
import { keyFault } from '../setting-parsers.ts';
import type { Settings } from '../settings.ts';
import { type GateRun, liveApis, type SupervisorRun } from '../state/run-file.ts';
import { settingsBeside } from './gate-settings.ts';
import { type Io, warn } from './io.ts';

/** The policies as one command reaches them. */
export interface Policies {
  admin: PolicyAdmin;
  way: Way;
  /** What a policy may say there, as far as it can be known here. */
  rules: PolicyRules;
  settings: Settings;
}

/** Of a gate that was named by address only: it alone knows its networks and its routing. */
const RULES_ELSEWHERE: PolicyRules = {
  routing: 'ingress',
  networks: parseNetworks(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1']),
  isOwnListener: () => false,
};

/**
 * Opens the policies for one command and says, unless `quiet`, which way it goes. A command that only `reads` makes no
 * store where there is none: STATE_UNUSABLE then.
 */
export async function withPolicies<T>(
  io: Io,
  flags: Flags,
  { quiet, reads = false }: { quiet: boolean; reads?: boolean },
  work: (policies: Policies) => Promise<T>,
): Promise<T> {
  const { settings, gates } = settingsBeside(flags);
  const rules = policyRules(settings);
  const api = await findApi(settings);
  if (api !== undefined) {
    const { way, admin, gate } = api;
    if (!quiet) warn(io, wayText(way));
    return work({ admin, way, settings, rules: gate ? rules : RULES_ELSEWHERE });
  }
  return withStore(settings, reads, async (store) => {
    const way: Way = { kind: 'store', stateDir: settings.stateDir, gates: gates.length };
    if (!quiet) warn(io, wayText(way));
    return work({ admin: storeAdmin(store, rules, settings.stateDir), way, settings, rules });
  });
}

/** The store of the state folder itself, for `explain`, which needs records as they lie there. */
export async function withStore<T>(
  settings: Settings,
  reads: boolean,
  work: (store: PolicyStore) => Promise<T>,
): Promise<T> {
  const store = reads ? await findStore(settings) : await openStore(settings);
  if (store === undefined) {
    throw new SandgateError('STATE_UNUSABLE', `there are no policies in ${settings.stateDir}`, {
      remedy: 'put one, start a gate there, or name the state folder that is meant (--state-dir)',
    });
  }
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** How a command reaches the policies: told to people on stderr, and to programs as `via`. */
export type Way =
  | { kind: 'api'; api: string }
  | { kind: 'gate'; pid: number; api: string }
  | { kind: 'store'; stateDir: string; gates: number };

/** Longer than a write waits for other gates (2 s) and for somebody else's lock on the store (2 s). */
const TIME_LIMIT_MS = 15_000;
/** A gate that is stopped or starved still accepts connections; another one may answer at once. */
const PROBE_MS = 2000;

function wayText(way: Way): string {
  switch (way.kind) {
    case 'api':
      return `via the policy API at ${way.api}`;
    case 'gate':
      return `via the gate with pid ${way.pid}`;
    case 'store':
      return `straight to the store: no gate${way.gates > 0 ? ' with a policy API' : ''} runs on ${way.stateDir}`;
    default:
      return way satisfies never;
  }
}

/**
 * The policy API to go through: the one that was named, else that of the first gate of the state folder that answers.
 * Undefined where no gate offers one. Throws API_UNREACHABLE where gates do and none answers: with a write past them,
 * nobody would know when it is in force.
 */
async function findApi(
  settings: Settings,
): Promise<{ way: Way; admin: PolicyAdmin; gate?: GateRun | SupervisorRun } | undefined> {
  // A socket asks for none, and whoever listens there need not learn it.
  const keyFor = (at: Endpoint) => ('path' in at ? undefined : readKey(settings));
  if (settings.policyApiUrl !== undefined) {
    const { policyApiUrl: at } = settings;
    const admin = new HttpPolicyAdmin({ at, key: keyFor(at), timeLimitMs: TIME_LIMIT_MS });
    return { way: { kind: 'api', api: formatEndpoint(at) }, admin };
  }
  const offering = liveApis(settings.stateDir).filter((gate) => gate.policyApi !== undefined);
  const failures: string[] = [];
  for (const gate of offering) {
    const at = parseEndpoint(gate.policyApi!);
    const door = { at, key: keyFor(at) };
    try {
      await new HttpPolicyAdmin({ ...door, timeLimitMs: PROBE_MS }).list({ limit: 1 });
    } catch (error) {
      if (!(error instanceof SandgateError) || error.code !== 'API_UNREACHABLE') throw error;
      failures.push(`pid ${gate.pid}: ${error.message}`);
      continue;
    }
    const admin = new HttpPolicyAdmin({ ...door, timeLimitMs: TIME_LIMIT_MS });
    return { way: { kind: 'gate', pid: gate.pid, api: formatEndpoint(at) }, admin, gate };
  }
  if (failures.length === 0) return undefined;
  throw new SandgateError(
    'API_UNREACHABLE',
    `no gate on ${settings.stateDir} answers (${failures.join('; ')})`,
    {
      remedy: 'see the log of that gate, end it if it hangs, and run the command again',
    },
  );
}

/** The key that opens a policy API on TCP: the first line of the key file, else the environment's. */
function readKey(settings: Pick<Settings, 'policyApiKey' | 'policyApiKeyFile'>): string | undefined {
  const { policyApiKeyFile: file } = settings;
  if (file === undefined) return settings.policyApiKey;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileInvalid(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  const key = text.split('\n')[0]!.trim();
  const fault = keyFault(key);
  if (fault !== undefined) throw fileInvalid(`${file}: ${fault}`);
  return key;
}

function fileInvalid(reason: string, cause?: unknown): SandgateError {
  return new SandgateError(
    'SETTINGS_INVALID',
    `SANDGATE_POLICY_API_KEY_FILE (--policy-api-key-file): ${reason}`,
    {
      remedy: 'name a file whose first line is one of the keys of the gate',
      cause,
    },
  );
}

/** The end of a sentence that says what was written. */
export function inForceText({ gates, inForce }: InForceAt, way: Way): string {
  if (gates === 0) return way.kind === 'store' ? 'written; no gate runs on this state folder' : 'written';
  if (!inForce) return 'written';
  return `in force at ${gates} gate${gates === 1 ? '' : 's'}`;
}

export function warnIfNotInForce(io: Io, { gates, inForce }: InForceAt): void {
  if (!inForce && gates > 0)
    warn(io, `written, but not each of the ${gates} gates has taken it up yet; /readyz of a gate says why`);
}
