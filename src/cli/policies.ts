import type { Flags } from '../config.ts';
import { readSettings } from '../config.ts';
import { openStore } from '../place.ts';
import type { PolicyStore } from '../policy/store.ts';
import { liveGates } from '../server/run-file.ts';
import type { Settings } from '../settings.ts';
import { surroundings } from './surroundings.ts';

/**
 * Opens the store of a state folder for one command. Where a gate runs there, its settings are used, so that
 * what is accepted here is what the gate will accept.
 */
export async function withPolicies<T>(
  flags: Flags,
  work: (store: PolicyStore, settings: Settings) => Promise<T>,
): Promise<T> {
  const named = readSettings('policy', flags, surroundings());
  const gate = liveGates(named.stateDir)[0];
  const settings: Settings = gate
    ? {
        ...named,
        domains: gate.domains,
        routing: gate.routing,
        sandboxCidrs: gate.sandboxCidrs,
        ownListeners: gate.ownListeners,
        store: gate.store,
        policyDir: gate.policyDir,
        allowShadow: gate.allowShadow === true,
      }
    : { ...named, ownListeners: [] };
  const store = await openStore(settings);
  try {
    return await work(store, settings);
  } finally {
    await store.close();
  }
}
