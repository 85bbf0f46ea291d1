/** Time is an argument, so that tests control it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. It may jump forward or back. */
  now(): number;
  /** Milliseconds since a fixed moment. It never goes back, but may stop while the machine sleeps. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** The clocks drift apart by more than this only if the wall clock was set or the machine slept. */
const CLOCK_JUMP_MS = 1000;

/** One moment on both clocks, in milliseconds. */
export interface Stamp {
  wall: number;
  monotonic: number;
}

export function stampOf(clock: Clock): Stamp {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** Ages are the larger of the two clocks' differences, so that an age is never understated. */
export class Ages {
  readonly #clock: Clock;
  /** Changed in place, to allocate nothing per request. */
  readonly #last: Stamp;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = stampOf(clock);
  }

  /** Reads both clocks; false if one has jumped since the last reading, so that no age can be trusted. */
  readClocks(): boolean {
    const last = this.#last;
    const drift = -last.wall + last.monotonic;
    last.wall = this.#clock.now();
    last.monotonic = this.#clock.monotonic();
    return Math.abs(drift + last.wall - last.monotonic) <= CLOCK_JUMP_MS;
  }

  /** The moment of the last reading. */
  get now(): Readonly<Stamp> {
    return this.#last;
  }

  /** The age of a stamp at the last reading. */
  of(stamp: Stamp): number {
    return Math.max(this.#last.wall - stamp.wall, this.#last.monotonic - stamp.monotonic);
  }
}
