import type { PolicyAdmin } from '../admin/policy-admin.ts';
import { adminOf, openStore, rulesOf } from '../app.ts';
import { type Flags, readSettings } from '../config.ts';
import { parseNetworks } from '../policy/network.ts';
import type { PolicyRules } from '../policy/rules.ts';
import { type GateRun, liveGates } from '../server/run-file.ts';
import type { Settings } from '../settings.ts';
import { type Io, warn } from './io.ts';
import { surroundings } from './surroundings.ts';
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

/** Opens the policies for one command and says, unless `quiet`, which way it goes. */
export async function withPolicies<T>(
  io: Io,
  flags: Flags,
  quiet: boolean,
  work: (policies: Policies) => Promise<T>,
): Promise<T> {
  const settings = readSettings('policy', flags, surroundings());
  const api = await findApi(settings);
  if (api !== undefined) {
    const { way, admin, gate } = api;
    if (!quiet) warn(io, wayText(way));
    return work({ admin, way, settings, rules: gate ? rulesOf(asGate(settings, gate)) : RULES_ELSEWHERE });
  }
  return withStore(settings, async (policies) => {
    if (!quiet) warn(io, wayText(policies.way));
    return work(policies);
  });
}

/** A gate without a policy API still says by which rules it will read what is written here. */
async function withStore<T>(named: Settings, work: (policies: Policies) => Promise<T>): Promise<T> {
  const gates = liveGates(named.stateDir);
  const settings = gates[0] ? asGate(named, gates[0]) : { ...named, ownListeners: [] };
  const rules = rulesOf(settings);
  const store = await openStore(settings);
  try {
    const admin = adminOf(store, rules, settings.stateDir);
    const way: Way = { kind: 'store', stateDir: settings.stateDir, gates: gates.length };
    return await work({ admin, way, settings, rules });
  } finally {
    await store.close();
  }
}

function asGate(settings: Settings, gate: GateRun): Settings {
  const { domains, routing, sandboxCidrs, ownListeners, store, policyDir } = gate;
  return { ...settings, domains, routing, sandboxCidrs, ownListeners, store, policyDir };
}
