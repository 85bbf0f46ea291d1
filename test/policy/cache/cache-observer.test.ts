import { afterEach, beforeEach, expect, it } from 'vitest';
import { CACHE_TIMES, PolicyCache } from '../../../src/policy/cache/cache.ts';
import { FakeClock, rules, stored } from '../sample.ts';
import { ScriptedStore } from '../scripted-store.ts';

let store: ScriptedStore;
let clock: FakeClock;
let cache: PolicyCache;
let seen: string[];

beforeEach(() => {
  store = new ScriptedStore();
  store.records.set('known', stored('known'));
  clock = new FakeClock();
  seen = [];
  cache = new PolicyCache(store, rules, clock, CACHE_TIMES, {
    lookedUp: (result) => seen.push(result),
    loaded: (result) => seen.push(`loaded ${result}`),
  });
});
afterEach(() => cache.close());

/** The observer's calls for one look-up. */
async function lookUp(id = 'known'): Promise<string[]> {
  seen = [];
  await cache.lookup(id);
  return seen;
}

it('the observer sees a miss with its load, then hits', async () => {
  expect(await lookUp()).toEqual(['miss', 'loaded found']);
  expect(await lookUp()).toEqual(['hit']);
  expect(cache.size()).toEqual({ policies: 1, negative: 0 });
});

it('the observer sees absent ids, loaded and from memory', async () => {
  expect(await lookUp('absent')).toEqual(['miss', 'loaded absent']);
  expect(await lookUp('absent')).toEqual(['absent']);
  expect(cache.size()).toEqual({ policies: 0, negative: 1 });
});

it('the observer sees when a stale policy is served because the store fails', async () => {
  await lookUp();
  clock.advance(CACHE_TIMES.freshMs);
  store.mode = 'down';
  expect(await lookUp()).toEqual(['miss', 'loaded stale']);
  expect(await lookUp()).toEqual(['stale']);
});

it('the observer sees when there is no stale policy to serve', async () => {
  store.mode = 'down';
  expect(await lookUp()).toEqual(['miss', 'loaded unavailable']);
  expect(await lookUp()).toEqual(['unavailable']);
});

it('callers of one id are a miss each and one load, which is in flight until it ends', async () => {
  store.mode = 'held';
  const asked = [cache.lookup('known'), cache.lookup('known'), cache.lookup('known')];
  expect(cache.loadsInFlight()).toBe(1);
  store.pending[0]!.answer();
  await Promise.all(asked);
  expect(seen).toEqual(['miss', 'miss', 'miss', 'loaded found']);
  expect(cache.loadsInFlight()).toBe(0);
});
