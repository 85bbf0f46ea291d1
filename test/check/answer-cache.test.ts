import { expect, test } from 'vitest';
import { AnswerCache } from '../../src/check/answer-cache.ts';
import type { Allow } from '../../src/decision/decision.ts';
import { ID, policyOf } from '../decision/request.ts';

const POLICY = policyOf();
const BYTES = Buffer.from([0, 0x7f, 0x80, 0xff]);

function allowOf(parts: Partial<Allow> = {}): Allow {
  const destination = { address: '10.0.3.7', port: 8080 };
  const rest = {
    targetFrom: 'host',
    grant: { by: 'public' },
    policy: POLICY,
    upstreamHost: undefined,
    streamMs: undefined,
  } as const;
  return { kind: 'allow', sandboxId: ID, port: 8080, destination, ...rest, ...parts };
}

test('caches bytes by policy object, port, html and source of the target', () => {
  const cache = new AnswerCache();
  cache.set(allowOf(), true, BYTES);
  expect(cache.get(allowOf(), true)).toEqual(BYTES);
  expect(cache.get(allowOf(), false)).toBeUndefined();
  expect(cache.get(allowOf({ port: 8081 }), true)).toBeUndefined();
  expect(cache.get(allowOf({ targetFrom: 'headers' }), true)).toBeUndefined();
  expect(cache.get(allowOf({ policy: policyOf() }), true)).toBeUndefined();
});

test("does not cache an answer that depends on the clock or the client's Host", () => {
  const cache = new AnswerCache();
  for (const allow of [allowOf({ streamMs: 5 }), allowOf({ upstreamHost: 'localhost' })]) {
    cache.set(allow, false, BYTES);
    expect(cache.get(allow, false)).toBeUndefined();
    expect(cache.get(allowOf(), false)).toBeUndefined();
  }
});

test('caches at most 16 answers per policy', () => {
  const cache = new AnswerCache();
  const kept = () =>
    Array.from({ length: 100 }, (_, i) => cache.get(allowOf({ port: i + 1 }), false)).filter(Boolean);
  for (let port = 1; port <= 100; port++) {
    cache.set(allowOf({ port }), false, BYTES);
    expect(kept().length).toBeLessThanOrEqual(16);
  }
});
