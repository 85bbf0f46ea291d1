import { createHmac, timingSafeEqual } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { checkToken } from '../../src/decision/token.ts';
import type { PolicyToken } from '../../src/policy/policy.ts';
import type { HeaderValue } from '../../src/target/target.ts';
import { digestOf, NOW, policyOf, policyToken, TOKEN, tokenHeader } from './request.ts';

vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  return { ...crypto, timingSafeEqual: vi.fn(crypto.timingSafeEqual) };
});

afterEach(() => vi.mocked(timingSafeEqual).mockClear());

function judge(header: HeaderValue<Uint8Array>, tokens: PolicyToken[] = [policyToken()], port = 8080) {
  return checkToken(header, policyOf({ tokens }), port, NOW);
}

test.each([
  ['--sandbox-access-token-hash-seed--', 'isv6ril5xadwn1k9t2jye', TOKEN],
  [
    'abcdefghijklmnopqrstuvwxyz',
    'im9r2ycjiy2534qsdy1oo',
    '5bdddb67f3397a250568df0a9944f048e5807f6416bec3da4f41191d93d2e513',
  ],
])("E2B's token of seed %s and sandbox %s matches as text", (seed, sandboxId, token) => {
  const minted = createHmac('sha256', seed).update(`sandbox-traffic-${sandboxId}`).digest('hex');
  expect(minted).toBe(token);
  expect(judge(tokenHeader(minted), [policyToken({ value: token })])).toMatchObject({ kind: 'match' });
});

test.each<[behaviour: string, header: HeaderValue<Uint8Array>, expected: object]>([
  ['the token matches', tokenHeader(), { kind: 'match' }],
  ['absent is missing', { kind: 'absent' }, { kind: 'missing' }],
  ['empty is missing', tokenHeader(''), { kind: 'missing' }],
  ['several are invalid', { kind: 'several' }, { kind: 'invalid', detail: 'several_values' }],
  ['good,bad is invalid', tokenHeader(`${TOKEN},x`), { kind: 'invalid', detail: 'several_values' }],
  ['bad, good is invalid', tokenHeader(`x, ${TOKEN}`), { kind: 'invalid', detail: 'several_values' }],
  ['good,good is invalid', tokenHeader(`${TOKEN},${TOKEN}`), { kind: 'invalid', detail: 'several_values' }],
  ['a lone comma is invalid', tokenHeader(','), { kind: 'invalid', detail: 'several_values' }],
  ['upper case is invalid', tokenHeader(TOKEN.toUpperCase()), { kind: 'invalid' }],
  [
    'the bytes that the hex stands for are invalid',
    tokenHeader(Buffer.from(TOKEN, 'hex')),
    { kind: 'invalid' },
  ],
  ['a prefix is invalid', tokenHeader(TOKEN.slice(0, 63)), { kind: 'invalid' }],
  ['an additional byte is invalid', tokenHeader(`${TOKEN}0`), { kind: 'invalid' }],
  ['\\xff is invalid', tokenHeader(Buffer.from([0xff])), { kind: 'invalid' }],
  ['60 KB are invalid', tokenHeader('a'.repeat(60_000)), { kind: 'invalid' }],
])('%s', (_behaviour, header, expected) => {
  expect(judge(header)).toMatchObject(expected);
});

test.each<[behaviour: string, token: Partial<PolicyToken>, expected: object]>([
  ['expired', { expiresAt: NOW }, { kind: 'invalid', detail: 'expired' }],
  ['not yet expired', { expiresAt: NOW + 1 }, { kind: 'match' }],
  ['for this port', { ports: new Set([8080]) }, { kind: 'match' }],
  ['for another port', { ports: new Set([8081]) }, { kind: 'invalid', detail: 'other_port' }],
  ['for no port', { ports: new Set() }, { kind: 'invalid', detail: 'other_port' }],
  ['for this incarnation', { incarnation: 'first' }, { kind: 'match' }],
  ['for another incarnation', { incarnation: 'second' }, { kind: 'invalid', detail: 'other_incarnation' }],
  ['with a digest of the wrong length', { digest: digestOf(TOKEN).slice(1) }, { kind: 'invalid' }],
])('a token %s', (_behaviour, token, expected) => {
  expect(judge(tokenHeader(), [policyToken(token)])).toMatchObject(expected);
});

test('one value under two ids passes where either does', () => {
  const tokens = [policyToken({ id: 'old', expiresAt: NOW }), policyToken({ id: 'new' })];
  expect(judge(tokenHeader(), tokens)).toMatchObject({ kind: 'match', token: { id: 'new' } });
  expect(judge(tokenHeader(), tokens.slice(0, 1))).toMatchObject({ detail: 'expired' });
});

test.each([
  ['first', 0],
  ['last', 2],
  ['no', 9],
])('a match with the %s token takes as many comparisons', (_which, at) => {
  const tokens = ['a', 'b', 'c'].map((value, index) =>
    policyToken({ id: value, value: index === at ? TOKEN : value }),
  );
  judge(tokenHeader(), tokens);
  judge(tokenHeader('x'), tokens);
  judge(tokenHeader('a much longer value than the others are'), tokens);
  expect(timingSafeEqual).toHaveBeenCalledTimes(9);
});
