/** Time as an argument, so that tests can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. It may jump either way. */
  now(): number;
  /** Milliseconds since some fixed moment. It never goes back, but may stand still while the machine sleeps. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** The two clocks part by more than this when one was set, or the machine slept. */
const CLOCK_JUMP_MS = 1000;

/** A moment on both clocks, in milliseconds. */
export interface Stamp {
  wall: number;
  monotonic: number;
}

export function stampOf(clock: Clock): Stamp {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** How old things are: the larger of what the two clocks say, so that no age is ever too small. */
export class Ages {
  readonly #clock: Clock;
  /** Changed in place: it is read for every request. */
  readonly #last: Stamp;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = stampOf(clock);
  }

  /** Reads both clocks; false where they have parted since the last time, and no age can be trusted. */
  look(): boolean {
    const last = this.#last;
    const drift = -last.wall + last.monotonic;
    last.wall = this.#clock.now();
    last.monotonic = this.#clock.monotonic();
    return Math.abs(drift + last.wall - last.monotonic) <= CLOCK_JUMP_MS;
  }

  /** The moment of the last look. */
  get now(): Readonly<Stamp> {
    return this.#last;
  }

  /** Of the last look. */
  of(stamp: Stamp): number {
    return Math.max(this.#last.wall - stamp.wall, this.#last.monotonic - stamp.monotonic);
  }
}
