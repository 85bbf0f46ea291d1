import type { PolicyLookup } from '../policy/policy.ts';

/** Envoy asks with 1 s; an answer that comes after it has hung up helps nobody. */
const LONGEST_WAIT_MS = 900;

/** What is left for the answer itself to be built and carried back. */
const ANSWER_MS = 50;

const TOO_LATE: PolicyLookup = { kind: 'unavailable', code: 'STORE_UNAVAILABLE' };

/**
 * The look-up, or `unavailable` once the caller's deadline is near. `deadline` and `now` are milliseconds since 1970.
 * Rejects as the look-up does; a rejection that comes too late is swallowed.
 */
export function withinDeadline(
  found: Promise<PolicyLookup>,
  deadline: number,
  now: number,
): Promise<PolicyLookup> {
  const waitMs = Math.max(0, Math.min(LONGEST_WAIT_MS, deadline - now - ANSWER_MS));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, waitMs, TOO_LATE);
    found.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
