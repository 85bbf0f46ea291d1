import type { Decision } from '../decision/decision.ts';

/** What shadow mode has let through since the start: the requests that will be refused once it ends. */
export class ShadowTally {
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

  /** RFC 3339; undefined before the first one. */
  last(): string | undefined {
    return this.#lastAt === undefined ? undefined : new Date(this.#lastAt).toISOString();
  }
}
