import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Policy } from '../../src/policy/policy.ts';
import { contextOf, ID, NOW, policyOf, policyToken } from '../decision/request.ts';
import { check, FOUND, gate, outcome, WITH_TOKEN } from './gate.ts';
import { CheckResponse } from './oracle.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test('a check is answered without a promise if the policy is cached', () => {
  const { handler } = gate();
  expect(outcome(handler(WITH_TOKEN, Number.POSITIVE_INFINITY))).toBe('allow');
  expect(outcome(handler(check(), Number.POSITIVE_INFINITY))).toBe('403 token_missing');
});

test('a check waits for a policy that has to be loaded', async () => {
  const { handler } = gate({ lookup: async () => FOUND });
  expect(outcome(await handler(WITH_TOKEN, Number.POSITIVE_INFINITY))).toBe('allow');
  expect(vi.getTimerCount()).toBe(0);
});

test('target errors and control-plane paths are answered without a look-up', () => {
  const lookup = vi.fn(() => FOUND);
  const { handler } = gate({ lookup });
  const at = (host: string, path = '/') => outcome(handler(check({}, { host, path }), 0));
  expect(at('8080-abc.evil.app')).toBe('400 invalid_host');
  expect(at(`49983-${ID}.e2b.app`, '//init')).toBe('404 control_plane_path');
  expect(lookup).not.toHaveBeenCalled();
});

test.each<[behaviour: string, deadline: number, waitMs: number]>([
  ['after 900 ms without a deadline', Number.POSITIVE_INFINITY, 900],
  ['after 900 ms with a far deadline', NOW + 60_000, 900],
  ['50 ms before a near deadline', NOW + 200, 150],
  ['immediately after a deadline that has passed', NOW - 1000, 0],
])('a look-up that hangs becomes the 503 %s', async (_behaviour, deadline, waitMs) => {
  const { handler } = gate({ lookup: () => new Promise(() => {}) });
  const answer = vi.fn();
  const pending = Promise.resolve(handler(WITH_TOKEN, deadline)).then(answer);
  if (waitMs > 0) {
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(answer).not.toHaveBeenCalled();
  }
  await vi.advanceTimersByTimeAsync(1);
  await pending;
  expect(outcome(answer.mock.calls[0]?.[0])).toBe('503 unavailable');
});

test('a look-up that fails after the answer is ignored', async () => {
  let fail: (error: Error) => void = () => {};
  const { handler, fault } = gate({ lookup: () => new Promise((_, reject) => (fail = reject)) });
  const pending = handler(WITH_TOKEN, NOW);
  await vi.advanceTimersByTimeAsync(1);
  expect(outcome(await pending)).toBe('503 unavailable');
  fail(new Error('late'));
  await vi.advanceTimersByTimeAsync(1);
  expect(fault).not.toHaveBeenCalled();
});

test('bytes that are not a CheckRequest throw CHECK_MALFORMED', () => {
  const { handler } = gate();
  expect(() => handler(Buffer.from('garbage'), 0)).toThrow(
    expect.objectContaining({ code: 'CHECK_MALFORMED' }),
  );
});

test('an allow is encoded once per policy object, unless its token expires', () => {
  const answers = (policy: Policy) => {
    const { handler } = gate({ lookup: () => ({ kind: 'found', policy }) });
    const first = handler(WITH_TOKEN, 0) as Buffer;
    // Policies are never changed in place; doing so here shows which answers are encoded again.
    policy.incarnation = 'another';
    return [first, handler(WITH_TOKEN, 0) as Buffer] as const;
  };
  const [first, second] = answers(policyOf());
  expect(second.equals(first)).toBe(true);
  const [before, after] = answers(policyOf({ tokens: [policyToken({ expiresAt: NOW + 1000 })] }));
  expect(after.equals(before)).toBe(false);
});

test('ingress routing sets no destination and ignores routing headers', () => {
  const { handler } = gate({ context: contextOf({ routing: 'ingress' }) });
  const bytes = handler(WITH_TOKEN, 0);
  expect(outcome(bytes)).toBe('allow');
  expect(CheckResponse.decode(bytes as Buffer)).not.toHaveProperty('dynamic_metadata.fields.destination');
  const byHeader = check({ 'e2b-sandbox-id': ID, 'e2b-sandbox-port': '80' }, { host: 'localhost' });
  expect(outcome(handler(byHeader, 0))).toBe('400 invalid_host');
});

test('every decision is reported with its duration, and an observer that throws changes nothing', () => {
  let clock = 0;
  const onDecision = vi.fn();
  const { handler } = gate({ onDecision, monotonic: () => (clock += 0.25) });
  handler(check(), 0);
  const [decision, request, durationNs] = onDecision.mock.calls[0] ?? [];
  expect(decision).toMatchObject({ kind: 'deny', reason: 'token_missing' });
  expect(request).toMatchObject({ host: `8080-${ID}.e2b.app` });
  expect(durationNs).toBe(250_000);

  const broken = gate({
    onDecision: () => {
      throw new Error('boom');
    },
  });
  expect(outcome(broken.handler(WITH_TOKEN, 0))).toBe('allow');
  expect(broken.fault).toHaveBeenCalledOnce();
});

test('a preflight gets the same answer for every sandbox, known or not', () => {
  const preflight = (id: string) =>
    check(
      { origin: 'https://page.example', 'access-control-request-method': 'PUT' },
      { method: 'OPTIONS', host: `8080-${id}.e2b.app` },
    );
  const { handler } = gate({ lookup: (id) => (id === ID ? FOUND : { kind: 'absent' }) });
  expect(outcome(handler(preflight(ID), 0))).toBe('204 preflight');
  expect(handler(preflight('unknown'), 0)).toEqual(handler(preflight(ID), 0));
});
