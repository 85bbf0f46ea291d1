import { expect, test } from 'vitest';
import type { Policy } from '../../src/policy/policy.ts';
import { AGENT, type Case, decided, SELF, WITH_TOKEN } from './decided.ts';
import { NOW, policyToken, preflightOf, tokenHeader } from './request.ts';

const DAY = 24 * 3600 * 1000;
const until = (leftMs: number): Policy['shadow'] => ({ from: NOW + leftMs - 7 * DAY, until: NOW + leftMs });
const ON = { allowShadow: true };
const SHADOW = { shadow: until(60_000) };
const MISSING = { kind: 'deny', reason: 'token_missing' };
const WRONG = { token: tokenHeader('x') };

test.each<[behaviour: string, given: Case, expected: object]>([
  [
    'a request without a token is allowed as token_missing',
    { policy: SHADOW },
    { kind: 'allow', grant: { by: 'shadow', reason: 'token_missing' }, streamMs: 60_000 },
  ],
  [
    'a request with a wrong token is allowed as token_invalid',
    { policy: SHADOW, request: WRONG },
    { kind: 'allow', grant: { by: 'shadow', reason: 'token_invalid', detail: undefined } },
  ],
  [
    'a request with an expired token is allowed, and the token is named',
    {
      policy: { ...SHADOW, tokens: [policyToken({ id: 'old', label: 'CI', expiresAt: NOW })] },
      request: WITH_TOKEN,
    },
    { grant: { by: 'shadow', detail: 'expired', tokenId: 'old', tokenLabel: 'CI' } },
  ],
  [
    'a good token is allowed as usual, without a bound on its stream',
    { policy: SHADOW, request: WITH_TOKEN },
    { kind: 'allow', grant: { by: 'token' }, streamMs: undefined },
  ],
  ['without the setting the request is denied', { policy: SHADOW, context: { allowShadow: false } }, MISSING],
  [
    'a setting that is not exactly true has no effect',
    { policy: SHADOW, context: { allowShadow: JSON.parse('"true"') } },
    MISSING,
  ],
  ['without shadowUntil the request is denied', {}, MISSING],
  ['at shadowUntil the request is denied', { policy: { shadow: until(0) } }, MISSING],
  [
    '… a millisecond before, it is allowed for that long',
    { policy: { shadow: until(1) } },
    { kind: 'allow', streamMs: 1 },
  ],
  [
    '7 days ahead, it is allowed',
    { policy: { shadow: until(7 * DAY) } },
    { kind: 'allow', streamMs: 7 * DAY },
  ],
  ['a shadowUntil further ahead is ignored', { policy: { shadow: until(7 * DAY + 1) } }, MISSING],
  ["the agent's port is never public", { policy: SHADOW, target: AGENT }, MISSING],
  [
    '… nor to a wrong token',
    { policy: SHADOW, target: AGENT, request: WRONG },
    { kind: 'deny', reason: 'token_invalid' },
  ],
  [
    'a self-authenticating agent is reached as usual',
    { policy: { ...SHADOW, ...SELF }, target: AGENT },
    { kind: 'allow', grant: { by: 'agent' } },
  ],
  [
    'a paused sandbox is not found',
    { policy: { ...SHADOW, state: 'paused' } },
    { reason: 'sandbox_not_found', detail: 'paused' },
  ],
  [
    'a transitioning one says so',
    { policy: { ...SHADOW, state: 'transitioning' } },
    { reason: 'sandbox_transitioning' },
  ],
  [
    'an own listener is a closed port',
    { policy: SHADOW, context: { ...ON, isOwnListener: () => true } },
    { reason: 'port_closed', detail: 'own_listener' },
  ],
  [
    'a preflight reaches the sandbox, as if it were public',
    { policy: SHADOW, request: preflightOf() },
    { kind: 'allow', grant: { by: 'shadow' } },
  ],
])('in shadow mode: %s', (_behaviour, given, expected) => {
  expect(decided({ ...given, context: { ...ON, ...given.context } })).toMatchObject(expected);
});
