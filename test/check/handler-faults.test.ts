import { expect, test, vi } from 'vitest';
import type { CheckHandlerOptions } from '../../src/check/handler.ts';
import { SandgateError } from '../../src/errors.ts';
import { contextOf, ID, policyOf, TOKEN } from '../decision/request.ts';
import { gate, outcome, WITH_TOKEN } from './gate.ts';

const boom = () => {
  throw new Error('boom');
};

/** A look-up whose result does not have the declared type. */
const returning = (value: unknown) => vi.fn().mockReturnValue(value);

test.each<[part: string, broken: Partial<CheckHandlerOptions>]>([
  ['look-up', { lookup: boom }],
  ['look-up, later', { lookup: () => Promise.reject(new Error('boom')) }],
  [
    'look-up, as if the message were malformed',
    { lookup: () => Promise.reject(new SandgateError('CHECK_MALFORMED', '')) },
  ],
  ['look-up that returns nothing', { lookup: returning(undefined) }],
  ['look-up that returns an unknown kind', { lookup: returning({ kind: 'maybe' }) }],
  ['look-up that returns half a policy', { lookup: returning({ kind: 'found', policy: { sandboxId: ID } }) }],
  ['domains', { domains: { matches: boom } }],
  ['own-listener test', { context: contextOf({ isOwnListener: boom }) }],
  ['clock', { now: boom }],
  ['monotonic clock', { monotonic: boom }],
])('a broken %s is a 503', async (_part, broken) => {
  const { handler } = gate(broken);
  expect(outcome(await handler(WITH_TOKEN, Number.POSITIVE_INFINITY))).toBe('503 unavailable');
});

test('a fault is logged with its code and the request id, and without a header value', () => {
  const { handler, fault } = gate({ lookup: boom });
  handler(WITH_TOKEN, 0);
  expect(fault).toHaveBeenCalledExactlyOnceWith('INTERNAL', expect.any(SandgateError), 'r1');
  expect(JSON.stringify(fault.mock.calls)).not.toContain(TOKEN);
});

test('a log that throws changes nothing', () => {
  const { handler } = gate({ lookup: boom, log: { fault: boom } });
  expect(outcome(handler(WITH_TOKEN, 0))).toBe('503 unavailable');
});

test('an allow that cannot be built safely is a 503', () => {
  const route = { address: '10.0.0.1', port: undefined };
  const policy = policyOf({ route, maskRequestHost: 'a\r\nb' });
  const { handler, fault } = gate({ lookup: () => ({ kind: 'found', policy }) });
  expect(outcome(handler(WITH_TOKEN, 0))).toBe('503 unavailable');
  expect(fault).toHaveBeenCalledWith('ANSWER_INVALID', expect.anything(), 'r1');
});

test('a fault is reported as unavailable, with its code', () => {
  const onDecision = vi.fn();
  const { handler } = gate({ lookup: boom, onDecision });
  handler(WITH_TOKEN, 0);
  expect(onDecision.mock.calls[0]?.[0]).toEqual({ kind: 'deny', reason: 'unavailable', detail: 'INTERNAL' });
});
