/** A token bucket for log lines: so many a second, and as many at once after a quiet one. */
export class LineBudget {
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
