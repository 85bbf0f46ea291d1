/** All in milliseconds. */
export interface CacheTimes {
  /** A policy is served without asking the store for this long after it was read, or known to be unchanged. */
  freshMs: number;
  /** The bound: served up to this age, and only while the store cannot be reached; then 503. */
  hardMs: number;
  /** That there is no policy, or an unreadable one, is believed for this long. */
  absentMs: number;
  /** A caller waits for the store at most this long; well below Envoy's own deadline for a check. */
  loadMs: number;
  /** After a failed load the id is not asked for again for this long. */
  retryMs: number;
}

export const CACHE_TIMES: CacheTimes = {
  freshMs: 5000,
  hardMs: 30_000,
  absentMs: 1000,
  loadMs: 700,
  retryMs: 250,
};
