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

/** What the observer is told of one look-up. */
async function look(id = 'known'): Promise<string[]> {
  seen = [];
  await cache.lookup(id);
  return seen;
}

it('the observer is told of a miss with its load, then of hits', async () => {
  expect(await look()).toEqual(['miss', 'loaded found']);
  expect(await look()).toEqual(['hit']);
  expect(cache.size()).toEqual({ policies: 1, negative: 0 });
});

it('the observer is told of absent ids, loaded and from memory', async () => {
  expect(await look('nobody')).toEqual(['miss', 'loaded absent']);
  expect(await look('nobody')).toEqual(['absent']);
  expect(cache.size()).toEqual({ policies: 0, negative: 1 });
});

it('the observer is told when a stale policy stands in for a store that fails', async () => {
  await look();
  clock.advance(CACHE_TIMES.freshMs);
  store.mode = 'down';
  expect(await look()).toEqual(['miss', 'loaded stale']);
  expect(await look()).toEqual(['stale']);
});

it('the observer is told when there is nothing to stand in', async () => {
  store.mode = 'down';
  expect(await look()).toEqual(['miss', 'loaded unavailable']);
  expect(await look()).toEqual(['unavailable']);
});

it('many callers of one id are as many misses and one load, which is in flight until it ends', async () => {
  store.mode = 'held';
  const asked = [cache.lookup('known'), cache.lookup('known'), cache.lookup('known')];
  expect(cache.loadsInFlight()).toBe(1);
  store.pending[0]!.answer();
  await Promise.all(asked);
  expect(seen).toEqual(['miss', 'miss', 'miss', 'loaded found']);
  expect(cache.loadsInFlight()).toBe(0);
});
