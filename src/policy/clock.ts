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
