import { describe, expect, it, vi } from 'vitest';
import { SandgateError } from '../../src/errors.ts';
import { timedReads } from '../../src/observe/instrument.ts';
import { ScriptedStore } from '../policy/scripted-store.ts';

function watched() {
  const store = new ScriptedStore();
  let now = 100;
  const seen = { storeRead: vi.fn(), storeHeard: vi.fn() };
  return { store, seen, source: timedReads(store, seen, () => now), wait: (ms: number) => (now += ms) };
}

describe('a store whose reads are timed', () => {
  it('answers as the store does, and reports the time taken', async () => {
    const { store, seen, source, wait } = watched();
    store.mode = 'held';
    const read = source.read('a');
    wait(7);
    store.pending[0]!.answer(() => ({ schema: 1 }));
    await expect(read).resolves.toEqual({ schema: 1 });
    expect(seen.storeRead).toHaveBeenCalledExactlyOnceWith(7);
  });

  it('fails as the store does, and reports the error code', async () => {
    const { store, seen, source } = watched();
    store.mode = 'down';
    await expect(source.read('a')).rejects.toThrow(new SandgateError('STORE_UNAVAILABLE', 'down'));
    expect(seen.storeRead).toHaveBeenCalledExactlyOnceWith(0, 'STORE_UNAVAILABLE');
  });

  it('passes changes on and counts each as contact', () => {
    const { store, seen, source } = watched();
    const listener = vi.fn();
    const stop = source.subscribe(listener);
    store.feed.changed(['a'], { epoch: 'e', sequence: 1 });
    stop();
    store.feed.changed(['a'], { epoch: 'e', sequence: 2 });
    expect(listener).toHaveBeenCalledTimes(1);
    expect(seen.storeHeard).toHaveBeenCalledTimes(1);
    expect(source.position().sequence).toBe(2);
  });
});
