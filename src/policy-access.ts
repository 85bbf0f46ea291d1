import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ownListenerTest } from './address.ts';
import type { CheckHandlerOptions } from './check/handler.ts';
import type { Logger } from './observe/logger.ts';
import { systemClock } from './policy/clock.ts';
import { type PolicyRules, parseNetworks } from './policy/network.ts';
import { openSqliteStore } from './policy/sqlite/sqlite-store.ts';
import type { PolicyStore } from './policy/store.ts';
import type { PolicyAdmin } from './policy-api/policy-admin.ts';
import { createStoreAdmin } from './policy-api/store-admin.ts';
import type { Settings } from './settings.ts';
import { waitInForce } from './state/in-force.ts';
import { defaultDomain, parseDomains } from './target/domains.ts';

/** What a policy may say under these settings. */
export function rulesOf(settings: Pick<Settings, 'routing' | 'sandboxCidrs' | 'ownListeners'>): PolicyRules {
  return {
    routing: settings.routing,
    networks: parseNetworks(settings.sandboxCidrs),
    isOwnListener: ownListenerTest(settings.ownListeners),
  };
}

/** What a gate of these settings knows of its own place; `explain` asks from the same one. */
export function placeOf(
  settings: Pick<Settings, 'domains' | 'routing' | 'allowShadow'>,
  { isOwnListener }: PolicyRules,
): Pick<CheckHandlerOptions, 'domains' | 'context'> {
  const { domains, routing, allowShadow } = settings;
  return {
    domains: parseDomains(domains),
    context: { routing, defaultDomain: defaultDomain(domains), isOwnListener, allowShadow },
  };
}

/** Opens the store that the settings name. Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE. */
export async function openStore(settings: Settings, log?: Logger, create = true): Promise<PolicyStore> {
  const common = { clock: systemClock, random: randomBytes };
  switch (settings.store) {
    case 'embedded':
      return openSqliteStore({
        ...common,
        path: databaseOf(settings),
        routing: settings.routing,
        create,
      });
    case 'files': {
      // Only then: a YAML parser is 4 MB.
      const { openFilesStore } = await import('./policy/files/files-store.ts');
      return openFilesStore({
        ...common,
        folder: settings.policyDir,
        rules: rulesOf(settings),
        onEvent: ({ name, ...facts }) => log?.warn(facts, name),
      });
    }
    default:
      return settings.store satisfies never;
  }
}

/** The store as it is, for one look; undefined where there is none yet: it is not made. Throws as `openStore`. */
export async function findStore(settings: Settings): Promise<PolicyStore | undefined> {
  if (settings.store === 'embedded' && !existsSync(databaseOf(settings))) return undefined;
  return openStore(settings, undefined, false);
}

function databaseOf({ stateDir }: Settings): string {
  return join(stateDir, 'policies.db');
}

/** The policy operations on an open store; writes wait for the gates that live in the state folder. */
export function adminOf(store: PolicyStore, rules: PolicyRules, stateDir: string): PolicyAdmin {
  const inForce = (sequence: number) => waitInForce(stateDir, sequence, systemClock.monotonic);
  return createStoreAdmin({ store, rules, clock: systemClock, random: randomBytes, inForce });
}
