import { createCheckHandler } from '../../../src/check/handler.ts';
import { SandgateError } from '../../../src/errors.ts';
import { CACHE_TIMES, type CacheTimes, PolicyCache } from '../../../src/policy/cache/cache.ts';
import { systemClock } from '../../../src/policy/clock.ts';
import { parseNetworks } from '../../../src/policy/network.ts';
import type { PolicyStore } from '../../../src/policy/store.ts';
import { startCheckServer } from '../../../src/server/check-server.ts';
import { parseDomains } from '../../../src/target/domains.ts';
import type { ProcessStack } from '../../stack/process-stack.ts';
import { DOMAIN } from '../../stack/test-stack.ts';

/** A gate in this process behind the stack's Envoy, with a store that fails on demand. */
export interface FaultyStoreGate {
  /** Ids in the order of the store's reads. */
  reads: string[];
  /** `hang`: a read never ends. `down`: it fails at once. */
  mode: 'well' | 'hang' | 'down';
  close(): Promise<void>;
}

/** `pushed: false`: the gate never learns of a change. The store belongs to the stack and stays open. */
export async function startFaultyStoreGate(
  stack: ProcessStack,
  options: { pushed: boolean; times?: Partial<CacheTimes> },
): Promise<FaultyStoreGate> {
  const { store } = stack;
  const no = () => false;
  const listeners = { isOwnListener: no, isNodeProxy: no };
  const faulty: PolicyStore = {
    kind: store.kind,
    async read(sandboxId) {
      gate.reads.push(sandboxId);
      if (gate.mode === 'down') throw new SandgateError('STORE_UNAVAILABLE', 'down, says the test');
      if (gate.mode === 'hang') return new Promise(() => {});
      return store.read(sandboxId);
    },
    subscribe: (listener) => (options.pushed ? store.subscribe(listener) : () => {}),
    position: () => store.position(),
    deliveredUntil: () => undefined,
    fault: () => store.fault(),
    unusable: () => store.unusable(),
    write: (puts) => store.write(puts),
    delete: (sandboxId) => store.delete(sandboxId),
    list: (page) => store.list(page),
    close: async () => {},
  };
  const site = { routing: 'gate', publicTraffic: 'allow' } as const;
  const rules = { ...site, networks: parseNetworks(['127.0.0.0/8']), ...listeners };
  const cache = new PolicyCache(faulty, rules, systemClock, { ...CACHE_TIMES, ...options.times });
  const handler = createCheckHandler({
    lookup: (sandboxId) => cache.lookup(sandboxId),
    domains: parseDomains([DOMAIN]),
    context: { routing: 'gate', defaultDomain: DOMAIN, ...listeners, allowShadow: false },
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    log: { fault: (_code, error) => console.error(error) },
  });
  const server = await startCheckServer({ path: stack.socketOf(0), access: 'group' }, handler);
  const gate: FaultyStoreGate = {
    reads: [],
    mode: 'well',
    async close() {
      await server.close(0);
      cache.close();
    },
  };
  await stack.waitForGates(1);
  return gate;
}
