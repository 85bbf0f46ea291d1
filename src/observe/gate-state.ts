import type { PolicyCache } from '../policy/cache.ts';
import type { PolicyStore } from '../policy/store.ts';
import type { MetricKey } from './metric-catalogue.ts';
import type { Sample } from './tally.ts';

/** What is read of a gate when somebody asks, rather than counted. */
export interface GateState {
  cache: Pick<PolicyCache, 'size' | 'loadsInFlight' | 'stalenessBoundMs' | 'appliedPosition'>;
  store: Pick<PolicyStore, 'kind' | 'fault'>;
  ready: boolean;
  draining: boolean;
  /** Sandgate's own, and Node's. */
  version: string;
  node: string;
}

export function stateSamples({ cache, store, ready, draining, version, node }: GateState) {
  const one = (value: number, labels: Sample['labels'] = {}): Sample[] => [{ labels, value }];
  const { known, brief } = cache.size();
  const { epoch, sequence } = cache.appliedPosition();
  return {
    cacheLoadsInFlight: one(cache.loadsInFlight()),
    cacheEntries: [...one(known, { kind: 'policy' }), ...one(brief, { kind: 'brief' })],
    storeUp: one(Number(store.fault() === undefined), { store: store.kind }),
    stalenessBound: one(cache.stalenessBoundMs() / 1000),
    sequence: one(sequence, { epoch }),
    ready: one(Number(ready)),
    draining: one(Number(draining)),
    build: one(1, { version, node }),
  } satisfies Partial<Record<MetricKey, Sample[]>>;
}
