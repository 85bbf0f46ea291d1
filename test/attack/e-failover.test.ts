import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Load, slowest, startLoad, tally } from '../stack/load.ts';
import { PATIENCE } from '../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, restricted, TOKEN } from '../stack/test-stack.ts';

const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };
/** At a few hundred a second, two seconds or so. */
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

describe('one of two gates, under load,', () => {
  let stack: ProcessStack;
  let host: string;
  beforeAll(async () => {
    stack = await startProcessStack({ gates: 2 });
    await stack.put(restricted('abc'));
    host = hostOf(up.port, 'abc');
  });
  afterAll(() => stack?.stop());

  it('ends by SIGTERM and no request fails', async () => {
    const outcomes = await under('SIGTERM');
    expect(tally(outcomes)).toEqual({ 200: outcomes.length });
  });

  it.each([
    // It may have sent the headers of an answer and not its status: Envoy can then ask nobody else.
    ['is killed', 'SIGKILL'],
    // They wait for the frozen gate first, and on a busy machine too little of their second is left for the other one.
    ['freezes', 'SIGSTOP'],
  ] as const)('%s, and costs at most a few of those that it was answering a 503', async (_how, signal) => {
    const outcomes = await under(signal);
    const { 200: answered = 0, 503: refused = 0 } = tally(outcomes);
    expect(answered + refused).toBe(outcomes.length);
    expect(refused).toBeLessThan(outcomes.length / 100);
  });

  async function under(signal: NodeJS.Signals) {
    await stack.waitForGates(2);
    const load = startLoad(stack.http, host, WITH_TOKEN);
    await more(load, 100);
    const gate = stack.gates[1]!;
    gate.signal(signal);
    await more(load);
    if (signal !== 'SIGSTOP') await gate.exited;
    await more(load, 100);
    const outcomes = await load.stop();
    console.log(`${signal}: ${outcomes.length} requests, ${slowest(outcomes)}`);
    await gate.end();
    await stack.startGate(1);
    if (signal === 'SIGTERM') expect(await gate.exited).toBe(0);
    return outcomes;
  }
});

describe('the only gate, under load,', () => {
  it('restarts: only checked 200s and 503s, and then 200 again', async () => {
    const stack = await startProcessStack({ gates: 1 });
    try {
      await stack.put(restricted('only'));
      const host = hostOf(up.port, 'only');
      const holder = startLoad(stack.http, host, WITH_TOKEN);
      const stranger = startLoad(stack.http, host, { 'x-stranger': '1' });
      await more(holder, 50);
      await stack.gates[0]!.end();
      await vi.waitFor(() => expect(tally(holder.outcomes)[503]).toBeGreaterThan(50), PATIENCE);
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
      await stack.stop();
    }
  });
});
