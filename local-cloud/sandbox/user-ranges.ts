import { SandgateError } from '#src/errors.js';

/** Above what distributions hand out as subordinate ids and what systemd-nspawn picks, below 2^31. */
const FIRST = 0x7000_0000;
const SIZE = 65_536;
const MOST = 4096;

/** Ranges of user and group ids, one for each sandbox that lives: its processes and files are nobody else's. */
export class UserRanges {
  readonly #taken = new Set<number>();

  /** The first id of a free range. */
  take(): number {
    for (let n = 0; n < MOST; n++) {
      const base = FIRST + n * SIZE;
      if (this.#taken.has(base)) continue;
      this.#taken.add(base);
      return base;
    }
    throw new SandgateError('SANDBOX_FAILED', `no more than ${MOST} sandboxes can run at once`, {
      remedy: 'end some of them',
    });
  }

  give(base: number | undefined): void {
    if (base !== undefined) this.#taken.delete(base);
  }
}
