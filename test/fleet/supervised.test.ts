import { expect, it, vi } from 'vitest';
import { Supervised } from '../../src/fleet/supervised.ts';
import { PATIENCE } from '../stack/patience.ts';

/** As long as a turn of the event loop, whatever is asked for. */
const turn = (_stop: AbortSignal) => new Promise<void>((resolve) => setImmediate(resolve));

/** A program whose every run the test ends, or that does not start. */
function program(pauseFor = turn) {
  const notices: string[] = [];
  const runs: { end(how: string): void }[] = [];
  const pauses: number[] = [];
  let now = 0;
  let fault: string | undefined;
  const time = {
    pause: (ms: number, stop: AbortSignal) => {
      pauses.push(ms);
      return pauseFor(stop);
    },
    monotonic: () => now,
  };
  const start = async () => {
    if (fault !== undefined) throw new Error(fault);
    let end!: (how: string) => void;
    const exited = new Promise<string>((resolve) => {
      end = resolve;
    });
    runs.push({ end });
    return { exited, stop: async () => end('stopped') };
  };
  return {
    notices,
    runs,
    pauses,
    pass: (ms: number) => {
      now += ms;
    },
    fail: (reason: string | undefined) => {
      fault = reason;
    },
    supervised: () => Supervised.start('it', start, (line) => notices.push(line), time),
  };
}

it('one that ends by itself is started again, says why, and is counted', async () => {
  const { supervised, runs, notices } = program();
  const kept = await supervised();
  runs[0]!.end('SIGKILL');
  await vi.waitFor(() => expect(runs).toHaveLength(2), PATIENCE);
  expect(kept.state.kind).toBe('up');
  expect(kept.restarts).toBe(1);
  expect(notices).toEqual(['it ended (SIGKILL); starting it again']);
  await kept.stop();
});

it('one that ends at once each time has to wait longer each time, and a quiet spell forgives', async () => {
  const { supervised, runs, pauses, pass } = program();
  const kept = await supervised();
  const end = async () => {
    const { length } = runs;
    runs.at(-1)!.end('exit code 1');
    await vi.waitFor(() => expect(runs).toHaveLength(length + 1), { ...PATIENCE, interval: 1 });
  };
  for (let n = 0; n < 8; n++) await end();
  pass(6000);
  await end();
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 100]);
  await kept.stop();
});

it('a restart that is asked for is no fault, and waits for the new run', async () => {
  const { supervised, runs, notices } = program();
  const kept = await supervised();
  const back = kept.restart();
  expect(kept.state).toEqual({ kind: 'restarting' });
  await back;
  expect(kept.state.kind).toBe('up');
  expect(runs).toHaveLength(2);
  expect([kept.restarts, notices]).toEqual([0, []]);
  await kept.stop();
});

it('a restart that fails says so, and it is tried on until it starts', async () => {
  const { supervised, fail } = program();
  const kept = await supervised();
  fail('no disk');
  await expect(kept.restart()).rejects.toThrow('no disk');
  expect(kept.state).toEqual({ kind: 'down', reason: 'no disk' });
  fail(undefined);
  await vi.waitFor(() => expect(kept.state.kind).toBe('up'), PATIENCE);
  await kept.stop();
});

it('one that was killed because all of it ends is not started again, and nothing is said', async () => {
  const { supervised, runs, notices } = program();
  const ending = new AbortController();
  const kept = (await supervised()).endWith(ending.signal);
  ending.abort();
  runs[0]!.end('SIGKILL');
  await kept.stop();
  expect([runs.length, notices]).toEqual([1, []]);
});

it('is not started again once it was stopped, not even while it waits', async () => {
  const untilStopped = (stop: AbortSignal) =>
    new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve()));
  const { supervised, runs, pauses } = program(untilStopped);
  const kept = await supervised();
  runs[0]!.end('SIGKILL');
  await vi.waitFor(() => expect(pauses).toHaveLength(1), { ...PATIENCE, interval: 1 });
  await kept.stop();
  expect(runs).toHaveLength(1);
});
