import type { CheckHandler } from '../check/transport.ts';
import type { GateMetrics } from './gate-metrics.ts';

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
