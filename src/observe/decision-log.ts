import type { Decision, GateRequest } from '../decision/decision.ts';
import { decisionLine } from './decision-line.ts';
import type { Logger } from './logger.ts';

export interface DecisionLogOptions {
  /** Of allows and preflights, 0 to 1. Refusals and what shadow mode let through are always due. */
  allowShare: number;
  /** 0 to 1, exclusive. */
  random(): number;
  /** Milliseconds of a clock that only goes forward. */
  monotonic(): number;
  /** Told of lines that were over the rate. */
  onDropped?(lines: number): void;
}

/** A line is about 400 bytes: a flood costs 3 GB a day and no disk, and 100 of its lines a second say what it is. */
const LINES_PER_SECOND = 100;
const DROPPED_EVERY_MS = 1000;

/** One line per refusal and per sampled allow, as event `decision`. What is over the rate is counted, not built. */
export class DecisionLog {
  readonly #log: Logger;
  readonly #options: DecisionLogOptions;
  /** Apart, so that sampled allows never displace a denial. */
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

  /** Says what is still to be said of dropped lines. */
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

/** A token bucket for log lines: so many a second, and as many at once after a quiet one. */
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
