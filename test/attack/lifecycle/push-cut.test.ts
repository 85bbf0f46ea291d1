import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Answered, ask } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { expectUnavailable } from '../../stack/unavailable.ts';
import { type FaultyStoreGate, startFaultyStoreGate } from './faulty-store-gate.ts';

const FRESH_MS = 300;
const HARD_MS = 1200;

let stack: ProcessStack;
let gate: FaultyStoreGate;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 0 });
  const times = { freshMs: FRESH_MS, hardMs: HARD_MS, absentMs: FRESH_MS, loadMs: 300, retryMs: 50 };
  gate = await startFaultyStoreGate(stack, { pushed: false, times });
});
afterAll(async () => {
  await gate?.close();
  await stack?.stop();
  await up?.close();
});
beforeEach(() => {
  gate.mode = 'well';
});

const get = (id: string, token?: string): Promise<Answered> =>
  ask(stack.http, {
    host: hostOf(up.port, id),
    headers: token === undefined ? {} : { 'e2b-traffic-access-token': token },
  });

/**
 * Repeats the request until `wanted`. Every earlier answer is the old one or a 503, and the old one never answers a
 * request sent after the bound; this holds however slow the machine is.
 */
async function untilStatus(wanted: number, old: number, boundMs: number, id: string, token?: string) {
  const since = performance.now();
  let last = 0;
  const answered = await vi.waitFor(
    async () => {
      const sentAt = performance.now() - since;
      const answer = await get(id, token);
      if (answer.status === old) {
        last = Math.max(last, sentAt);
        expect(sentAt).toBeLessThan(boundMs);
      } else expect([wanted, 503]).toContain(answer.status);
      expect(answer.status).toBe(wanted);
      return answer;
    },
    { ...PATIENCE, interval: 10 },
  );
  if (Number.isFinite(boundMs))
    console.log(`${id}: the old answer went out for ${last.toFixed(0)} ms, the bound is ${boundMs} ms`);
  return answered;
}

describe('D2: with the push channel cut, the old answer is gone within', () => {
  it('the fresh age: public to restricted', async () => {
    await stack.put(publicSandbox('cut1'));
    expect((await get('cut1')).status).toBe(200);
    await stack.put(restricted('cut1'));
    await untilStatus(403, 200, FRESH_MS, 'cut1');
  });

  it('the fresh age: token removed', async () => {
    await stack.put(restricted('cut2'));
    expect((await get('cut2', TOKEN)).status).toBe(200);
    await stack.put(restricted('cut2', { access: { tokens: [] } }));
    await untilStatus(403, 200, FRESH_MS, 'cut2', TOKEN);
  });

  it('the fresh age: sandbox deleted', async () => {
    await stack.put(publicSandbox('cut3'));
    expect((await get('cut3')).status).toBe(200);
    await stack.delete('cut3');
    await untilStatus(502, 200, FRESH_MS, 'cut3');
  });

  it('the absent age: sandbox created', async () => {
    expect((await get('cut4')).status).toBe(502);
    await stack.put(publicSandbox('cut4'));
    await untilStatus(200, 502, FRESH_MS, 'cut4');
  });

  it.each(['down', 'hang'] as const)('the hard age, if the store is %s too', async (mode) => {
    const id = `cut${mode}`;
    await stack.put(publicSandbox(id));
    expect((await get(id)).status).toBe(200);
    await stack.put(restricted(id));
    gate.mode = mode;
    expectUnavailable(await untilStatus(503, 200, HARD_MS, id));
    // It stays a 503 while the store is unavailable, and recovers without a restart.
    expectUnavailable(await get(id, TOKEN));
    gate.mode = 'well';
    await untilStatus(403, 503, Number.POSITIVE_INFINITY, id);
    expect((await get(id, TOKEN)).status).toBe(200);
  });
});

describe('E1: an unavailable store', () => {
  it.each(['down', 'hang'] as const)(
    '(%s) is a 503 for sandboxes that the gate never saw, not a 502',
    async (mode) => {
      await stack.put(publicSandbox(`new${mode}`));
      gate.mode = mode;
      expectUnavailable(await get(`new${mode}`));
      expectUnavailable(await get(`nobody${mode}`));
      gate.mode = 'well';
      await untilStatus(200, 503, Number.POSITIVE_INFINITY, `new${mode}`);
      await untilStatus(502, 503, Number.POSITIVE_INFINITY, `nobody${mode}`);
    },
  );
});
