// The changes during a load test, determined by the wall clock only: the conductor writes the policies and k6 knows
// the expected answer of each request, without communicating. Plain JavaScript for Node and k6.

/** Sandboxes `s0` on, each with the same token, which never changes. */
export const STEADY_SANDBOXES = 1000;
/** Its token changes in each period. */
export const ROTATING = 'rotating';
/** Public in every second period. */
export const FLIPPING = 'flipping';

const PERIOD_MS = 10_000;
/** No request is sent this close to a change, before or after: the write takes time, and so does a request. */
const GUARD_MS = 2500;

/** @param {number} now Milliseconds since 1970. */
export function periodAt(now) {
  return Math.floor(now / PERIOD_MS);
}

/** The text that is hashed to the token of a period. @param {string} seed @param {number} period */
export function tokenText(seed, period) {
  return `${seed}:${period}`;
}

/** Periods whose tokens pass now: the clocks of both sides may be a few seconds apart. @param {number} now */
export function passingPeriods(now) {
  const period = periodAt(now);
  return [period - 1, period, period + 1];
}

/** One whose token passed once and must not now. @param {number} now */
export function refusedPeriod(now) {
  return periodAt(now) - 3;
}

/** @param {number} now */
export function isPublic(now) {
  return periodAt(now) % 2 === 0;
}

/** Whether it is far enough from a change to know the answer. @param {number} now */
export function isCertain(now) {
  const into = now % PERIOD_MS;
  return into > GUARD_MS && into < PERIOD_MS - GUARD_MS;
}
