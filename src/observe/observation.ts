import type { CheckHandler, CheckHandlerOptions } from '../check/handler.ts';
import type { Decision, GateRequest } from '../decision/decision.ts';
import type { Clock } from '../policy/clock.ts';
import type { PolicySource } from '../policy/store.ts';
import { DecisionLog } from './decision-log.ts';
import { GateMetrics } from './gate-metrics.ts';
import { timedReads, watchedCheck } from './instrument.ts';
import { logRequestId } from './log-fields.ts';
import type { Logger } from './logger.ts';

export interface ObservationOptions {
  clock: Clock;
  /** A random number from 0 to 1, exclusive. */
  random(): number;
  /** Share of allows in the decision log, 0 to 1. */
  logAllows: number;
}

/** Called for every answer, 503s for faults included, before the answer is sent: it must be quick. */
type DecisionObserver = (decision: Decision, request: GateRequest, durationNs: number) => void;

/** Everything that observes one gate: metrics, the decision log, the counter of shadow mode. */
export class Observation {
  readonly metrics: GateMetrics;
  readonly shadowed: ShadowCounter;
  readonly onDecision: DecisionObserver;
  readonly #log: Logger;
  readonly #decisions: DecisionLog;
  readonly #monotonic: () => number;

  constructor(log: Logger, { clock, random, logAllows }: ObservationOptions) {
    const metrics = new GateMetrics(clock.monotonic);
    const shadowed = new ShadowCounter(clock.now);
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
    this.onDecision = notifyAll(
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

/** Calls each observer, in order. */
export function notifyAll(...observers: readonly DecisionObserver[]): DecisionObserver {
  return (decision, request, durationNs) => {
    for (const observe of observers) observe(decision, request, durationNs);
  };
}

/** Counts the requests that shadow mode has allowed since the start: those that will be denied once it ends. */
export class ShadowCounter {
  readonly #now: () => number;
  #count = 0;
  #lastAt: number | undefined;

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  note(decision: Decision): void {
    if (decision.kind !== 'allow' || decision.grant.by !== 'shadow') return;
    this.#count++;
    this.#lastAt = this.#now();
  }

  count(): number {
    return this.#count;
  }

  /** Time of the last one, in RFC 3339; undefined before the first. */
  last(): string | undefined {
    return this.#lastAt === undefined ? undefined : new Date(this.#lastAt).toISOString();
  }
}
