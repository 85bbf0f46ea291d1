import type { CheckHandler } from '../check/handler.ts';
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

/** The handler, with what it does not report itself counted: messages that it refuses, and checks that wait. */
export function watchedCheck(
  handler: CheckHandler,
  metrics: Pick<GateMetrics, 'malformed' | 'waiting'>,
): CheckHandler {
  return (bytes, deadline) => {
    let answer: ReturnType<CheckHandler>;
    try {
      answer = handler(bytes, deadline);
    } catch (refused) {
      metrics.malformed();
      throw refused;
    }
    if (Buffer.isBuffer(answer)) return answer;
    metrics.waiting(1);
    return answer.finally(() => metrics.waiting(-1));
  };
}
