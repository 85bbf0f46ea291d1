import type { CheckHandler } from '../check/handler.ts';
import { toSandgateError } from '../errors.ts';
import type { PolicySource } from '../policy/store.ts';
import type { GateMetrics } from './gate-metrics.ts';

/** Wraps a store so that each read is timed, and each answer or change counts as contact with it. */
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

/** Wraps the handler to count what it does not report itself: malformed messages, and checks that wait for the store. */
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
