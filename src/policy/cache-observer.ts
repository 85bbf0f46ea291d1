/** What a look-up found; help texts in `observe/metric-catalogue.ts`. */
export type CacheLookup = 'hit' | 'stale' | 'absent' | 'unavailable' | 'miss';

/** What a load ended with. */
export type CacheLoad = 'found' | 'stale' | 'absent' | 'unavailable';

/** Who counts what a cache does. Called for every request, so it must not allocate, and must not throw. */
export interface CacheObserver {
  lookedUp(result: CacheLookup): void;
  loaded(result: CacheLoad): void;
}

export const NO_OBSERVER: CacheObserver = { lookedUp() {}, loaded() {} };
