import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CACHE_TIMES, PolicyCache } from '../../../src/policy/cache/cache.ts';
import { systemClock } from '../../../src/policy/clock.ts';
import { rules } from '../../policy/sample.ts';
import { ScriptedStore } from '../../policy/scripted-store.ts';
import { http2Session } from '../../stack/client.ts';
import { slowest, startLoad, tally } from '../../stack/load.ts';
import { LONG } from '../../stack/long.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { DOMAIN, hostOf, publicSandbox } from '../../stack/test-stack.ts';
import { type FaultyStoreGate, startFaultyStoreGate } from './faulty-store-gate.ts';

const MANY = LONG ? 10_000 : 2000;
/** More absent ids than the 50,000 that the cache keeps. */
const FULL = LONG ? 100_000 : 60_000;
/** Envoy accepts 100 concurrent streams per connection. */
const AT_ONCE = 80;

let stack: ProcessStack;
let gate: FaultyStoreGate;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 0 });
  // Longer than the flood takes on the slowest machine, so that the count is exact.
  gate = await startFaultyStoreGate(stack, { pushed: true, times: { absentMs: 600_000 } });
  await stack.put(publicSandbox('other'));
});
afterAll(async () => {
  await gate?.close();
  await stack?.stop();
  await up?.close();
});

/** Requests one id after the other over one connection; returns the number of answers per status. */
async function flood(ids: Iterator<string, undefined>): Promise<Record<number, number>> {
  const session = await http2Session(stack.http);
  const statuses: Record<number, number> = {};
  const askFor = (id: string) =>
    new Promise<void>((resolve, reject) => {
      const stream = session.request({ ':path': '/', ':authority': `8080-${id}.${DOMAIN}` });
      stream.on('response', ({ ':status': status }) => {
        statuses[Number(status)] = (statuses[Number(status)] ?? 0) + 1;
      });
      stream.on('error', reject);
      stream.on('close', resolve);
      stream.resume();
      stream.end();
    });
  try {
    const one = async () => {
      for (let id = ids.next(); !id.done; id = ids.next()) await askFor(id.value);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    return statuses;
  } finally {
    session.destroy();
  }
}

function* ids(name: (index: number) => string): Generator<string, undefined> {
  for (let index = 0; index < MANY; index++) yield name(index);
}

describe('D4: thousands of requests', () => {
  it.each([
    ['for one absent id cost one look-up', () => 'gone', 1],
    ['for as many absent ids cost one look-up each', (index: number) => `gone${index}`, MANY],
  ] as const)('%s, and others are served meanwhile', async (_name, name, lookups) => {
    gate.reads.length = 0;
    const others = startLoad(stack.http, hostOf(up.port, 'other'));
    const began = performance.now();
    const statuses = await flood(ids(name));
    const tookMs = performance.now() - began;
    const outcomes = await others.stop();
    console.log(
      `${(MANY / tookMs).toFixed(1)} a millisecond; another sandbox meanwhile: ${slowest(outcomes)}`,
    );
    expect(statuses).toEqual({ 502: MANY });
    expect(gate.reads.filter((id) => id.startsWith('gone'))).toHaveLength(lookups);
    expect(tally(outcomes)).toEqual({ 200: outcomes.length });
  });
});

describe('D4: memory', () => {
  it('is bounded for any number of absent ids', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = () => {
      collect();
      return process.memoryUsage().heapUsed / 1024 / 1024;
    };
    const store = new ScriptedStore();
    store.reads.push = () => 0;
    const cache = new PolicyCache(store, rules, systemClock, { ...CACHE_TIMES, absentMs: 600_000 });
    const askFor = async (from: number, to: number) => {
      for (let index = from; index < to; index++) await cache.lookup(`${'x'.repeat(50)}${index}`);
    };
    const empty = heap();
    await askFor(0, FULL);
    const full = heap();
    await askFor(FULL, 3 * FULL);
    const later = heap();
    console.log(
      `heap: ${(full - empty).toFixed(0)} MiB for ${FULL} absent ids, ${(later - empty).toFixed(0)} for three times as many`,
    );
    // The cache is full by now, so three times as many ids cost no more.
    expect(later - full).toBeLessThan(8);
    cache.close();
  });
});
