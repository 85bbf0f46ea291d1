import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Load, type Outcome, slowest, startLoad, tally } from '../../stack/load.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, restricted, TOKEN } from '../../stack/test-stack.ts';

const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };
/** About two seconds at a few hundred requests per second. */
const ENOUGH = 600;

let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
});
afterAll(() => up?.close());

async function more(load: Load, count = ENOUGH): Promise<void> {
  const until = load.outcomes.length + count;
  await vi.waitFor(() => expect(load.outcomes.length).toBeGreaterThan(until), PATIENCE);
}

/** Sends this signal to one of two gates during a load; afterwards another gate replaces it. */
async function loadUnder(stack: ProcessStack, signal: NodeJS.Signals): Promise<readonly Outcome[]> {
  await stack.waitForGates(2);
  const load = startLoad(stack.http, hostOf(up.port, 'abc'), WITH_TOKEN);
  try {
    await more(load, 100);
    const gate = stack.gates[1]!;
    gate.signal(signal);
    await more(load);
    if (signal !== 'SIGSTOP') await gate.exited;
    await more(load, 100);
    const outcomes = await load.stop();
    console.log(`${signal}: ${outcomes.length} requests, ${slowest(outcomes)}`);
    await gate.end();
    if (signal === 'SIGTERM') expect(await gate.exited).toBe(0);
    return outcomes;
  } finally {
    await load.stop();
  }
}

function expectFewRefused(outcomes: readonly Outcome[]): void {
  const { 200: answered = 0, 503: refused = 0 } = tally(outcomes);
  expect(answered + refused).toBe(outcomes.length);
  expect(refused).toBeLessThan(outcomes.length / 100);
}

describe('one of two gates, under load,', () => {
  it('freezes, and at most a few of the requests it was answering get a 503', async () => {
    // Checks wait for the frozen gate first, as long as in production.
    const stack = await startProcessStack({ gates: 2, bundledBounds: true });
    try {
      await stack.put(restricted('abc'));
      expectFewRefused(await loadUnder(stack, 'SIGSTOP'));
    } finally {
      await stack.stop();
    }
  });
});

describe('gates that exit under load:', () => {
  let stack: ProcessStack;
  beforeAll(async () => {
    stack = await startProcessStack({ gates: 2 });
    await stack.put(restricted('abc'), restricted('only'));
  });
  afterAll(() => stack?.stop());

  it('one of two exits on SIGTERM, and no request fails', async () => {
    const outcomes = await loadUnder(stack, 'SIGTERM');
    expect(tally(outcomes)).toEqual({ 200: outcomes.length });
  });

  it('one of two is killed, and at most a few of the requests it was answering get a 503', async () => {
    await stack.startGate(1);
    // The gate may have sent the headers of an answer but not its status; then Envoy cannot retry.
    expectFewRefused(await loadUnder(stack, 'SIGKILL'));
  });

  it('the only one restarts: only checked 200s and 503s, and then 200 again', async () => {
    // The other gate was killed.
    await stack.waitForGates(1);
    const host = hostOf(up.port, 'only');
    const holder = startLoad(stack.http, host, WITH_TOKEN);
    const stranger = startLoad(stack.http, host, { 'x-stranger': '1' });
    try {
      await more(holder, 50);
      await stack.gates[0]!.end();
      await vi.waitFor(() => expect(tally(holder.outcomes)[503] ?? 0).toBeGreaterThan(50), PATIENCE);
      await stack.startGate(0);
      await stack.waitForGates(1);
      const back = performance.now();
      await more(holder, 200);
      const [holders, strangers] = await Promise.all([holder.stop(), stranger.stop()]);

      console.log('holder', tally(holders), 'stranger', tally(strangers));
      expect(Object.keys(tally(holders))).toEqual(['200', '503']);
      expect(Object.keys(tally(strangers))).toEqual(['403', '503']);
      expect(up.arrivals.filter(({ headers }) => 'x-stranger' in headers)).toEqual([]);
      expect(tally(holders.filter(({ sentAt }) => sentAt > back))).not.toHaveProperty('503');
      expect(stack.envoy.pid).toBeGreaterThan(0);
    } finally {
      await Promise.all([holder.stop(), stranger.stop()]);
    }
  });
});
