import type { PolicyAdmin } from '../admin/policy-admin.ts';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { adminOf, findStore, openStore, rulesOf } from '../place.ts';
import { parseNetworks } from '../policy/network.ts';
import type { PolicyRules } from '../policy/rules.ts';
import type { PolicyStore } from '../policy/store.ts';
import type { Settings } from '../settings.ts';
import { settingsBeside } from './gate-settings.ts';
import { type Io, warn } from './io.ts';
import { findApi, type Way, wayText } from './way.ts';

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
  const rules = rulesOf(settings);
  const api = await findApi(settings);
  if (api !== undefined) {
    const { way, admin, gate } = api;
    if (!quiet) warn(io, wayText(way));
    return work({ admin, way, settings, rules: gate ? rules : RULES_ELSEWHERE });
  }
  return withStore(settings, reads, async (store) => {
    const way: Way = { kind: 'store', stateDir: settings.stateDir, gates: gates.length };
    if (!quiet) warn(io, wayText(way));
    return work({ admin: adminOf(store, rules, settings.stateDir), way, settings, rules });
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
