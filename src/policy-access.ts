import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ownListenerTest } from './address.ts';
import type { CheckHandlerOptions } from './check/handler.ts';
import type { Logger } from './observe/logger.ts';
import { systemClock } from './policy/clock.ts';
import { type PolicyRules, parseNetworks } from './policy/network.ts';
import { openStoreAt, type StoreLocation } from './policy/open-store.ts';
import type { PolicyStore } from './policy/store.ts';
import type { PolicyAdmin } from './policy-api/policy-admin.ts';
import { createStoreAdmin } from './policy-api/store-admin.ts';
import type { Settings } from './settings.ts';
import { waitInForce } from './state/in-force.ts';
import { defaultDomain, parseDomains } from './target/domains.ts';

/** Opens the store that the settings name. Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE. */
export async function openStore(settings: Settings, log?: Logger): Promise<PolicyStore> {
  return open(settings, locationOf(settings, true), log);
}

/** Opens an existing store; undefined if there is no database yet, and none is created. Throws as `openStore`. */
export async function findStore(settings: Settings): Promise<PolicyStore | undefined> {
  const location = locationOf(settings, false);
  if (location.kind === 'embedded' && !existsSync(location.path)) return undefined;
  return open(settings, location);
}

function locationOf({ store, stateDir, policyDir }: Settings, create: boolean): StoreLocation {
  switch (store) {
    case 'embedded':
      return { kind: store, path: join(stateDir, 'policies.db'), create };
    case 'files':
      return { kind: store, folder: policyDir };
    default:
      return store satisfies never;
  }
}

function open(settings: Settings, location: StoreLocation, log?: Logger): Promise<PolicyStore> {
  return openStoreAt(location, {
    rules: policyRules(settings),
    clock: systemClock,
    random: randomBytes,
    onEvent: ({ name, ...facts }) => log?.warn(facts, name),
  });
}

/** What a policy may contain under these settings. */
export function policyRules(
  settings: Pick<Settings, 'routing' | 'publicTraffic' | 'sandboxCidrs' | 'ownListeners' | 'nodeProxies'>,
): PolicyRules {
  return {
    routing: settings.routing,
    publicTraffic: settings.publicTraffic,
    networks: parseNetworks(settings.sandboxCidrs),
    isOwnListener: ownListenerTest(settings.ownListeners),
    isNodeProxy: ownListenerTest(settings.nodeProxies),
  };
}

/** What Check needs to know about the gate itself; `explain` uses the same. */
export function handlerContext(
  settings: Pick<Settings, 'domains' | 'routing' | 'allowShadow'>,
  { isOwnListener, isNodeProxy }: PolicyRules,
): Pick<CheckHandlerOptions, 'domains' | 'context'> {
  const { domains, routing, allowShadow } = settings;
  return {
    domains: parseDomains(domains),
    context: {
      ...{ routing, isOwnListener, isNodeProxy, allowShadow },
      defaultDomain: defaultDomain(domains),
    },
  };
}

/** The policy operations on an open store; writes wait until each live gate of the state folder has them. */
export function storeAdmin(store: PolicyStore, rules: PolicyRules, stateDir: string): PolicyAdmin {
  const inForce = (sequence: number) => waitInForce(stateDir, sequence, systemClock.monotonic);
  return createStoreAdmin({ store, rules, clock: systemClock, random: randomBytes, inForce });
}
