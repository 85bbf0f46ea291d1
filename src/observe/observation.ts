import type { CheckHandlerOptions } from '../check/handler.ts';
import type { CheckHandler } from '../check/transport.ts';
import type { Clock } from '../policy/clock.ts';
import type { PolicySource } from '../policy/store.ts';
import { DecisionLog } from './decision-log.ts';
import { type DecisionObserver, tellAll } from './decision-observer.ts';
import { GateMetrics } from './gate-metrics.ts';
import { logRequestId } from './log-request-id.ts';
import type { Logger } from './logger.ts';
import { ShadowTally } from './shadow-tally.ts';
import { timedReads } from './timed-reads.ts';
import { watchedCheck } from './watched-check.ts';

export interface ObservationOptions {
  clock: Clock;
  /** 0 to 1, exclusive. */
  random(): number;
  /** Share of allows that the decision log takes. */
  logAllows: number;
}

/** All that watches one gate: metrics, the decision log, the tally of shadow mode. */
export class Observation {
  readonly metrics: GateMetrics;
  readonly shadowed: ShadowTally;
  readonly onDecision: DecisionObserver;
  readonly #log: Logger;
  readonly #decisions: DecisionLog;
  readonly #monotonic: () => number;

  constructor(log: Logger, { clock, random, logAllows }: ObservationOptions) {
    const metrics = new GateMetrics(clock.monotonic);
    const shadowed = new ShadowTally(clock.now);
    const decisions = new DecisionLog(log, {
      allowShare: logAllows,
      random,
      monotonic: clock.monotonic,
      onDropped: (lines) => metrics.decisionLogDropped(lines),
    });
    this.metrics = metrics;
    this.shadowed = shadowed;
    this.#log = log;
    this.#decisions = decisions;
    this.#monotonic = clock.monotonic;
    this.onDecision = tellAll(
      (decision, _request, durationNs) => metrics.decided(decision, durationNs),
      (decision) => shadowed.note(decision),
      (decision, request, durationNs) => decisions.note(decision, request, durationNs),
    );
  }

  readonly onFault: CheckHandlerOptions['log']['fault'] = (code, error, requestId) => {
    this.metrics.fault(code);
    this.#log.error({ code, requestId: logRequestId(requestId), err: error }, 'check_fault');
  };

  timed(store: PolicySource): PolicySource {
    return timedReads(store, this.metrics, this.#monotonic);
  }

  watched(handler: CheckHandler): CheckHandler {
    return watchedCheck(handler, this.metrics);
  }

  close(): void {
    this.#decisions.close();
  }
}
