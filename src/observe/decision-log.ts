import type { Decision, GateRequest } from '../decision/decision.ts';
import { decisionLine } from './decision-line.ts';
import type { Logger } from './logger.ts';

export interface DecisionLogOptions {
  /** Share of allows and preflights to log, 0 to 1. Denials and what shadow mode allowed are always logged. */
  allowShare: number;
  /** A random number from 0 to 1, exclusive. */
  random(): number;
  /** Milliseconds of a monotonic clock. */
  monotonic(): number;
  /** Called with the number of lines dropped because of the rate limit. */
  onDropped?(lines: number): void;
}

/** At about 400 bytes a line, a flood writes at most 3 GB a day; 100 lines a second are enough to diagnose it. */
const LINES_PER_SECOND = 100;
const DROPPED_EVERY_MS = 1000;

/** Logs denials and a sample of allows as the event `decision`. Lines over the rate limit are counted, not built. */
export class DecisionLog {
  readonly #log: Logger;
  readonly #options: DecisionLogOptions;
  /** Separate, so that sampled allows never displace a denial. */
  readonly #refusals = new LineBudget(LINES_PER_SECOND);
  readonly #passes = new LineBudget(LINES_PER_SECOND);
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger, options: DecisionLogOptions) {
    this.#log = log;
    this.#options = options;
  }

  note(decision: Decision, request: GateRequest, durationNs: number): void {
    const { allowShare, random, monotonic } = this.#options;
    const refused = isRefusal(decision);
    if (!refused && (allowShare === 0 || random() >= allowShare)) return;
    if (!this.#log.isLevelEnabled('info')) return;
    if ((refused ? this.#refusals : this.#passes).take(monotonic())) {
      this.#log.info(decisionLine(decision, request, durationNs), 'decision');
      return;
    }
    this.#dropped++;
    this.#options.onDropped?.(1);
    this.#timer ??= setTimeout(() => this.#reportDropped(), DROPPED_EVERY_MS).unref();
  }

  /** Reports dropped lines that were not reported yet. */
  close(): void {
    if (this.#timer !== undefined) this.#reportDropped();
  }

  #reportDropped(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#log.warn({ count: this.#dropped }, 'decisions_dropped');
    this.#dropped = 0;
  }
}

function isRefusal(decision: Decision): boolean {
  return decision.kind === 'deny' || (decision.kind === 'allow' && decision.grant.by === 'shadow');
}

/** A token bucket for log lines: a rate per second, and as many at once after a quiet second. */
class LineBudget {
  readonly #perSecond: number;
  #left: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
  }

  /** Whether one more line may be written; `now` is monotonic, in milliseconds. */
  take(now: number): boolean {
    const refill = ((now - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + refill);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
