/** Calls back for each sandbox when its time is over. Times are milliseconds since 1970. */
export class Deadlines {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #now: () => number;
  readonly #onEnd: (sandboxId: string) => void;

  constructor(now: () => number, onEnd: (sandboxId: string) => void) {
    this.#now = now;
    this.#onEnd = onEnd;
  }

  set(sandboxId: string, at: number): void {
    this.clear(sandboxId);
    const timer = setTimeout(() => this.#onEnd(sandboxId), Math.max(0, at - this.#now()));
    this.#timers.set(sandboxId, timer);
  }

  clear(sandboxId: string): void {
    clearTimeout(this.#timers.get(sandboxId));
    this.#timers.delete(sandboxId);
  }

  clearAll(): void {
    for (const sandboxId of this.#timers.keys()) this.clear(sandboxId);
  }
}
