import { expect, test } from 'vitest';
import type { Decision, GateRequest } from '../../src/decision/decision.ts';
import { decisionLine } from '../../src/observe/decision-line.ts';
import { decided } from '../decision/decided.ts';
import { ID, NOW, policyToken, preflightOf, requestOf, TOKEN, tokenHeader } from '../decision/request.ts';

const WITH_TOKEN = { token: tokenHeader() };
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const lineOf = (decision: Decision, request: Partial<GateRequest> = {}) =>
  decisionLine(decision, requestOf(request), 12_345);

test('the line of a denial has all that is known about it', () => {
  const expired = policyToken({ id: 'ci', label: 'the CI', expiresAt: NOW });
  const decision = decided({ request: WITH_TOKEN, policy: { tokens: [expired] } });
  const request = {
    ...WITH_TOKEN,
    host: `8080-${ID}.E2B.app:443`,
    traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
    clientAddress: '192.0.2.7',
    path: '/?secret',
  };
  expect(lineOf(decision, request)).toEqual({
    outcome: 'deny',
    reason: 'token_invalid',
    detail: 'expired',
    sandbox_id: ID,
    port: 8080,
    method: 'GET',
    host: `8080-${ID}.e2b.app`,
    token_id: 'ci',
    token_label: 'the CI',
    policy_version: '0123456789abcdef.1',
    client: '192.0.2.7',
    request_id: 'r1',
    trace_id: TRACE,
    duration_us: 12,
  });
});

test.each<[behaviour: string, decision: Decision, expected: object]>([
  [
    'a denial without a policy',
    decided({ lookup: { kind: 'absent' } }),
    { outcome: 'deny', reason: 'sandbox_not_found', policy_version: undefined },
  ],
  ['a wrong token has no id', decided({ request: { token: tokenHeader('x') } }), { token_id: undefined }],
  [
    'an allow with a token',
    decided({ request: WITH_TOKEN, policy: { tokens: [policyToken({ label: 'mine' })] } }),
    { outcome: 'allow', token_id: 'default', token_label: 'mine', policy_version: '0123456789abcdef.1' },
  ],
  [
    'an allow of a public sandbox',
    decided({ policy: { allowPublicTraffic: true } }),
    { outcome: 'allow', port: 8080 },
  ],
  ['a preflight', decided({ request: preflightOf() }), { outcome: 'preflight', reason: 'preflight' }],
  [
    'what shadow mode let through',
    decided({ policy: { shadow: { from: NOW, until: NOW + 1 } }, context: { allowShadow: true } }),
    { outcome: 'shadow_allow', reason: 'token_missing', shadow: true, sandbox_id: ID },
  ],
])('%s', (_behaviour, decision, expected) => {
  expect(lineOf(decision)).toMatchObject(expected);
});

const DENIED = decided({});

test.each([
  ['user and password', `u:${TOKEN}@8080-${ID}.e2b.app`, `8080-${ID}.e2b.app`],
  ['several @', `a@${TOKEN}@x.example:80`, 'x.example'],
  ['a token for a name', TOKEN, undefined],
  ['a token for a label', `80-${TOKEN}.e2b.app`, undefined],
  ['a token for a port', `x.example:${TOKEN}`, undefined],
  ['a token behind a slash', `x.example/${TOKEN}`, undefined],
  ['an IPv6 literal', '[::1]:80', '::1'],
  ['nothing', '', undefined],
  ['more than a name can be', `${'a.'.repeat(130)}b`, undefined],
  ['a control character', 'x.\u0007example', undefined],
])('a host with %s is logged without it, or not at all', (_what, host, expected) => {
  expect(lineOf(DENIED, { host }).host).toBe(expected);
});

test.each([
  ['method', { method: 'brew' }, 'method', 'other'],
  ['method that is a token', { method: TOKEN }, 'method', 'other'],
  ['request id that is a token', { requestId: TOKEN }, 'request_id', undefined],
  ['request id with a line break', { requestId: 'a\nb' }, 'request_id', undefined],
  ['client that is no address', { clientAddress: TOKEN }, 'client', undefined],
  ['client of two values', { clientAddress: '192.0.2.7, 192.0.2.8' }, 'client', undefined],
  ['client with a zone', { clientAddress: `fe80::1%${TOKEN}` }, 'client', undefined],
] as const)('a %s is not repeated', (_what, request, field, expected) => {
  expect(lineOf(DENIED, request)[field]).toBe(expected);
});
