import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SandgateError } from '../../../src/errors.ts';
import { CACHE_TIMES, PolicyCache } from '../../../src/policy/cache/cache.ts';
import type { PolicyLookup } from '../../../src/policy/policy.ts';
import { EPOCH, FakeClock, rules, stored } from '../sample.ts';
import { ScriptedStore } from '../scripted-store.ts';

const { freshMs, hardMs, absentMs, loadMs, retryMs } = CACHE_TIMES;
const DAY = 24 * 3600 * 1000;
const unavailable = { kind: 'unavailable', code: 'STORE_UNAVAILABLE' };

let store: ScriptedStore;
let clock: FakeClock;
let cache: PolicyCache;

beforeEach(() => {
  // The test controls the clock; only the loader's deadline is a timer.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  store = new ScriptedStore();
  clock = new FakeClock();
  cache = new PolicyCache(store, rules, clock);
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  cache.close();
  vi.useRealTimers();
});

const incarnationOf = (lookup: PolicyLookup) =>
  lookup.kind === 'found' ? lookup.policy.incarnation : lookup.kind;
const lookUp = async (id = 'sbx1') => incarnationOf(await cache.lookup(id));
const set = (incarnation: string, sequence: number, id = 'sbx1') =>
  store.records.set(id, stored(id, { runtime: { incarnation } }, sequence));
const tell = (sequence: number, ...sandboxIds: string[]) =>
  store.feed.changed(sandboxIds, { epoch: EPOCH, sequence });

/** Waits until this many reads are pending. */
async function reads(count: number): Promise<void> {
  while (store.pending.length < count) await new Promise((resolve) => setImmediate(resolve));
  expect(store.pending).toHaveLength(count);
}

/** Makes the entry just stale, so that the next look-up needs the store. */
async function knownAndPastFresh(): Promise<void> {
  set('a', 1);
  await lookUp();
  clock.advance(freshMs);
}

describe('a look-up', () => {
  it('is synchronous once loaded, and keeps the same policy object', async () => {
    set('a', 1);
    const loaded = await cache.lookup('sbx1');
    expect(cache.lookup('sbx1')).toBe(loaded);
    expect(store.reads).toHaveLength(1);
  });

  it('reads the store again once it is stale', async () => {
    await knownAndPastFresh();
    clock.advance(-1);
    expect(await lookUp()).toBe('a');
    expect(store.reads).toHaveLength(1);
    set('b', 2);
    clock.advance(1);
    expect(await lookUp()).toBe('b');
  });

  it('does not read again while the store confirms that it announced every change', async () => {
    await knownAndPastFresh();
    store.delivered = { wall: clock.now() - 60, monotonic: clock.monotonic() - 60 };
    clock.advance(freshMs - 61);
    expect(cache.lookup('sbx1')).toMatchObject({ kind: 'found' });
    set('b', 2);
    tell(2, 'sbx1');
    expect(await lookUp()).toBe('b');
    clock.advance(freshMs);
    set('c', 3);
    expect(await lookUp()).toBe('c');
  });

  it('is served up to the hard age after the store last confirmed it, then not', async () => {
    await knownAndPastFresh();
    clock.advance(hardMs);
    store.delivered = { wall: clock.now(), monotonic: clock.monotonic() };
    store.mode = 'down';
    clock.advance(hardMs - 1);
    expect(await lookUp()).toBe('a');
    clock.advance(1);
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
  });

  it('counts its age from before the read, not after', async () => {
    set('a', 1);
    store.mode = 'held';
    const first = lookUp();
    clock.advance(600);
    store.pending[0]!.answer();
    await first;
    clock.advance(freshMs - 600);
    expect(cache.lookup('sbx1')).toBeInstanceOf(Promise);
    store.pending[1]!.answer();
    await cache.lookup('sbx1');
  });

  it.each([1, 10_000])('D4: reads the store once for 10,000 callers of %i absent id(s)', async (ids) => {
    const callers = Array.from({ length: 10_000 }, (_, index) => lookUp(`none${index % ids}`));
    expect(new Set(await Promise.all(callers))).toEqual(new Set(['absent']));
    expect(store.reads).toHaveLength(ids);
    expect(await lookUp('none0')).toBe('absent');
    expect(store.reads).toHaveLength(ids);
  });

  it('caches an absent policy for a shorter time', async () => {
    expect(await lookUp()).toBe('absent');
    set('a', 1);
    clock.advance(absentMs - 1);
    expect(await lookUp()).toBe('absent');
    clock.advance(1);
    expect(await lookUp()).toBe('a');
  });

  it('D4: a flood of absent ids evicts no policy', async () => {
    set('a', 1);
    await lookUp();
    for (let index = 0; index < 120_000; index++) await cache.lookup(`none${index}`);
    store.mode = 'down';
    expect(cache.lookup('sbx1')).toMatchObject({ kind: 'found' });
  });
});

describe('while the store cannot be reached', () => {
  it('the stale policy is served up to the hard age, then nothing', async () => {
    await knownAndPastFresh();
    store.mode = 'down';
    expect(await lookUp()).toBe('a');
    clock.advance(hardMs - freshMs - 1);
    expect(await lookUp()).toBe('a');
    clock.advance(1);
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
    expect(cache.stalenessBoundMs()).toBe(hardMs);
  });

  it('an id is retried only after a pause, cached or not', async () => {
    await knownAndPastFresh();
    store.mode = 'down';
    for (const id of ['sbx1', 'sbx2']) {
      const before = store.reads.length;
      for (let index = 0; index < 5; index++) await lookUp(id);
      clock.advance(retryMs - 1);
      await lookUp(id);
      expect(store.reads).toHaveLength(before + 1);
      clock.advance(1);
      await lookUp(id);
      expect(store.reads).toHaveLength(before + 2);
    }
  });

  it('it recovers on its own', async () => {
    store.mode = 'down';
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
    store.mode = 'open';
    set('a', 1);
    clock.advance(retryMs);
    expect(await lookUp()).toBe('a');
  });

  it('a read that hangs is abandoned at the deadline and does not delay later ones', async () => {
    await knownAndPastFresh();
    store.mode = 'held';
    const stale = lookUp();
    const unknown = cache.lookup('sbx2');
    clock.advance(loadMs);
    await vi.advanceTimersByTimeAsync(loadMs);
    expect(await stale).toBe('a');
    expect(await unknown).toEqual(unavailable);
    store.mode = 'open';
    clock.advance(retryMs);
    set('b', 2);
    expect(await lookUp()).toBe('b');
    // The hung read ends at last: no caller waits for it, and it changes nothing.
    store.pending[0]!.answer();
    await Promise.resolve();
    expect(await lookUp()).toBe('b');
  });

  it('an invalidated policy is not served stale', async () => {
    await knownAndPastFresh();
    store.mode = 'held';
    const waiting = cache.lookup('sbx1');
    tell(2, 'sbx1');
    await vi.advanceTimersByTimeAsync(loadMs);
    expect(await waiting).toEqual(unavailable);
  });

  it('an unexpected error is a fault, never an absent policy', async () => {
    await knownAndPastFresh();
    store.mode = 'held';
    const waiting = cache.lookup('sbx1');
    store.pending[0]!.answer(() => {
      throw new TypeError('x');
    });
    expect(await waiting).toEqual({ kind: 'unavailable', code: 'INTERNAL' });
  });
});

describe('an unreadable policy', () => {
  const broken = () => store.records.set('sbx1', { ...stored(), access: undefined });

  it('D1, D9: is unavailable with its code, and does not fall back on the one before', async () => {
    await knownAndPastFresh();
    broken();
    const unreadable = { kind: 'unavailable', code: 'POLICY_UNREADABLE' };
    expect(await cache.lookup('sbx1')).toEqual(unreadable);
    store.mode = 'down';
    clock.advance(absentMs);
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
  });

  it('is not read again with every request', async () => {
    broken();
    for (let index = 0; index < 5; index++) await lookUp();
    expect(store.reads).toHaveLength(1);
  });

  it('is the same if the store itself throws it', async () => {
    store.mode = 'held';
    const waiting = cache.lookup('sbx1');
    store.pending[0]!.answer(() => {
      throw new SandgateError('POLICY_UNREADABLE', 'x');
    });
    expect(await waiting).toEqual({ kind: 'unavailable', code: 'POLICY_UNREADABLE' });
  });
});

describe('a change', () => {
  it('D2: drops what it names at once, absent ids included, and nothing else', async () => {
    set('a', 1);
    set('x', 2, 'sbx2');
    await lookUp();
    await lookUp('sbx2');
    await lookUp('sbx3');
    set('b', 3);
    set('c', 4, 'sbx3');
    tell(4, 'sbx1', 'sbx3');
    expect(await lookUp()).toBe('b');
    expect(await lookUp('sbx3')).toBe('c');
    expect(cache.lookup('sbx2')).not.toBeInstanceOf(Promise);
    expect(cache.appliedPosition()).toEqual({ epoch: EPOCH, sequence: 4 });
  });

  it('D8: a reset drops everything, and an older version may follow it', async () => {
    set('a', 9);
    await lookUp();
    set('restored', 3);
    store.feed.reset({ epoch: EPOCH, sequence: 3 });
    expect(await lookUp()).toBe('restored');
  });

  it('D8: a record of another epoch counts as newer', async () => {
    set('a', 9);
    await lookUp();
    clock.advance(freshMs);
    const version = 'ffffffffffffffff.1';
    store.records.set(
      'sbx1',
      stored('sbx1', { runtime: { incarnation: 'b', version }, access: { version } }),
    );
    expect(await lookUp()).toBe('b');
  });

  it('D8: delete and create again leaves no trace of the first life', async () => {
    set('a', 5);
    await lookUp();
    store.records.delete('sbx1');
    tell(6, 'sbx1');
    expect(await lookUp()).toBe('absent');
    set('b', 7);
    tell(7, 'sbx1');
    expect(await lookUp()).toBe('b');
  });

  it('D5: an older record does not replace a newer one of its epoch; past the hard age it may', async () => {
    set('new', 5);
    await lookUp();
    set('old', 4);
    clock.advance(freshMs);
    expect(await lookUp()).toBe('new');
    clock.advance(hardMs - freshMs);
    expect(await lookUp()).toBe('old');
  });

  it('D5: a read that began before it is thrown away and repeated', async () => {
    set('old', 1);
    store.mode = 'held';
    const waiting = lookUp();
    set('new', 2);
    tell(2, 'sbx1');
    store.pending[0]!.answer();
    await reads(2);
    store.pending[1]!.answer();
    expect(await waiting).toBe('new');
  });

  it('D5: a policy that changes with each read is unavailable in the end', async () => {
    store.mode = 'held';
    const waiting = cache.lookup('sbx1');
    for (let read = 0; read < 4; read++) {
      await reads(read + 1);
      tell(read + 1, 'sbx1');
      store.pending[read]!.answer();
    }
    expect(await waiting).toEqual(unavailable);
    expect(store.reads).toHaveLength(4);
  });
});

describe('D10: a clock', () => {
  it.each([
    ['set forward by a day', DAY, 0],
    ['set back by a day', -DAY, 0],
    ['that stood still while the machine slept', 60_000, 0],
    ['set back by the time that passed', 0, 60_000],
  ])('%s flushes the cache', async (_how, wall, mono) => {
    set('a', 1);
    await lookUp();
    clock.wall += wall;
    clock.mono += mono;
    store.mode = 'down';
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
  });

  it('that runs on while the process is suspended leaves no answer older than the bound', async () => {
    set('a', 1);
    await lookUp();
    clock.advance(60_000);
    store.mode = 'down';
    expect(await cache.lookup('sbx1')).toEqual(unavailable);
  });

  it('that ran on between the read and its answer makes the answer unusable', async () => {
    set('a', 1);
    store.mode = 'held';
    const waiting = cache.lookup('sbx1');
    clock.advance(60_000);
    store.pending[0]!.answer();
    expect(await waiting).toEqual(unavailable);
  });

  it('that is slewed gradually does not flush the cache', async () => {
    set('a', 1);
    await lookUp();
    for (let index = 0; index < 4; index++) {
      clock.advance(500);
      clock.wall += 400;
      expect(cache.lookup('sbx1')).toMatchObject({ kind: 'found' });
    }
  });
});
