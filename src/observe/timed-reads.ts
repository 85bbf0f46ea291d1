import { toSandgateError } from '../errors.ts';
import type { PolicySource } from '../policy/store.ts';
import type { GateMetrics } from './gate-metrics.ts';

/** The store as a cache sees it, with each read timed and each sign of life noted. */
export function timedReads(
  store: PolicySource,
  metrics: Pick<GateMetrics, 'storeRead' | 'storeHeard'>,
  monotonic: () => number,
): PolicySource {
  return {
    async read(sandboxId) {
      const started = monotonic();
      try {
        const record = await store.read(sandboxId);
        metrics.storeRead(monotonic() - started);
        return record;
      } catch (thrown) {
        metrics.storeRead(monotonic() - started, toSandgateError(thrown).code);
        throw thrown;
      }
    },
    subscribe: (listener) =>
      store.subscribe((change) => {
        metrics.storeHeard();
        listener(change);
      }),
    position: () => store.position(),
    deliveredUntil: () => store.deliveredUntil(),
  };
}
