import { expect, test } from 'vitest';
import { AGENT, type Case, decided, SELF } from './decided.ts';
import { preflightOf } from './request.ts';

test.each<[behaviour: string, given: Case, expected: object]>([
  ['a target error', { target: { kind: 'error', error: 'invalid_host' } }, { kind: 'preflight' }],
  ['a control-plane path', { target: AGENT, request: { path: '/init' } }, { kind: 'preflight' }],
  ['an unknown sandbox', { lookup: { kind: 'absent' } }, { kind: 'preflight' }],
  ['a transitioning sandbox', { policy: { state: 'transitioning' } }, { kind: 'preflight' }],
  ['a restricted sandbox without a token', {}, { kind: 'preflight' }],
  [
    'an own listener',
    { policy: { allowPublicTraffic: true }, context: { isOwnListener: () => true } },
    { kind: 'preflight' },
  ],
  [
    'an unreadable policy',
    { lookup: { kind: 'unavailable', code: 'POLICY_UNREADABLE' } },
    { reason: 'unavailable' },
  ],
  ['a missing route', { policy: { route: undefined } }, { reason: 'unavailable' }],
  ['a public port', { policy: { allowPublicTraffic: true } }, { kind: 'allow' }],
  ['a self-authenticating agent', { policy: SELF, target: AGENT }, { kind: 'allow' }],
])('a preflight to %s', (_to, given, expected) => {
  expect(decided({ ...given, request: { ...preflightOf(), ...given.request } })).toMatchObject(expected);
});

test('an OPTIONS without the two headers is an ordinary request', () => {
  for (const part of [
    { origin: undefined },
    { requestMethod: undefined },
    { method: 'GET' },
    { method: 'options' },
  ]) {
    expect(decided({ request: preflightOf(part) })).toMatchObject({ reason: 'token_missing' });
  }
});
