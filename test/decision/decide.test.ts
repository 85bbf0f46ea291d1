import { expect, test } from 'vitest';
import { decide, decideByTarget } from '../../src/decision/decide.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { TargetResult } from '../../src/target/target.ts';
import { AGENT, type Case, decided, SELF, WITH_TOKEN } from './decided.ts';
import { contextOf, ID, NOW, policyToken, requestOf, targetOf, tokenHeader } from './request.ts';

test.each<[behaviour: string, given: Case, expected: object]>([
  [
    'a bad host is an invalid host',
    { target: { kind: 'error', error: 'invalid_host' } },
    { reason: 'invalid_host' },
  ],
  [
    'a control-plane path of the agent is closed',
    { target: AGENT, request: { path: '/init' } },
    { reason: 'control_plane_path' },
  ],
  [
    '… whatever the policy',
    { target: AGENT, request: { path: '/init' }, policy: SELF },
    { reason: 'control_plane_path' },
  ],
  ['… but ordinary on other ports', { request: { path: '/init', ...WITH_TOKEN } }, { kind: 'allow' }],
  ['an unknown sandbox is not found', { lookup: { kind: 'absent' } }, { reason: 'sandbox_not_found' }],
  [
    'an unreachable store is unavailable',
    { lookup: { kind: 'unavailable', code: 'STORE_UNAVAILABLE' } },
    { reason: 'unavailable', detail: 'STORE_UNAVAILABLE' },
  ],
  [
    'a policy of another sandbox is unavailable',
    { policy: { sandboxId: 'other', allowPublicTraffic: true } },
    { reason: 'unavailable' },
  ],
  [
    'a paused sandbox is not found',
    { policy: { state: 'paused' } },
    { reason: 'sandbox_not_found', detail: 'paused' },
  ],
  [
    '… with a token, public, or the agent',
    { request: WITH_TOKEN, target: AGENT, policy: { ...SELF, state: 'paused', allowPublicTraffic: true } },
    { reason: 'sandbox_not_found' },
  ],
  [
    'a sandbox at its end is not found',
    { policy: { endsAt: NOW } },
    { reason: 'sandbox_not_found', detail: 'ended' },
  ],
  ['… a millisecond before, it is', { request: WITH_TOKEN, policy: { endsAt: NOW + 1 } }, { kind: 'allow' }],
  [
    'an ended one that is transitioning is not found',
    { policy: { endsAt: NOW, state: 'transitioning' } },
    { reason: 'sandbox_not_found' },
  ],
  [
    'transitioning comes before the token',
    { policy: { state: 'transitioning' } },
    { reason: 'sandbox_transitioning' },
  ],
  [
    '… even for public traffic',
    { policy: { state: 'transitioning', allowPublicTraffic: true } },
    { reason: 'sandbox_transitioning' },
  ],
  [
    'a policy without a route is unreadable',
    { policy: { route: undefined, allowPublicTraffic: true } },
    { reason: 'unavailable', detail: 'POLICY_UNREADABLE' },
  ],
  ['without a token it is missing', {}, { reason: 'token_missing' }],
  ['an empty token is missing', { request: { token: tokenHeader('') } }, { reason: 'token_missing' }],
  ['a wrong token is invalid', { request: { token: tokenHeader('x') } }, { reason: 'token_invalid' }],
  [
    'several tokens are invalid',
    { request: { token: { kind: 'several' } } },
    { reason: 'token_invalid', detail: 'several_values' },
  ],
  [
    'port 49983 needs the token unless the policy says otherwise',
    { target: AGENT },
    { reason: 'token_missing' },
  ],
  [
    'port 49983 of a self-authenticating agent does not',
    { target: AGENT, policy: SELF },
    { kind: 'allow', grant: { by: 'agent' } },
  ],
  ['… other ports of it do', { policy: SELF }, { reason: 'token_missing' }],
  [
    'public traffic needs no token',
    { policy: { allowPublicTraffic: true } },
    { kind: 'allow', grant: { by: 'public' } },
  ],
  [
    '… nor looks at a wrong one',
    { request: { token: { kind: 'several' } }, policy: { allowPublicTraffic: true } },
    { kind: 'allow', streamMs: undefined },
  ],
  [
    'only the exact value true makes a sandbox public',
    { policy: { allowPublicTraffic: JSON.parse('"true"') } },
    { reason: 'token_missing' },
  ],
  [
    'an own listener is a closed port',
    {
      request: WITH_TOKEN,
      context: { isOwnListener: (address, port) => address === '10.0.3.7' && port === 8080 },
    },
    { reason: 'port_closed', detail: 'own_listener' },
  ],
  [
    'a direct route does not lead to a node proxy',
    {
      request: WITH_TOKEN,
      context: { isNodeProxy: (address, port) => address === '10.0.3.7' && port === 8080 },
    },
    { reason: 'port_closed', detail: 'node_proxy' },
  ],
  [
    '… which a route with its port does',
    {
      request: WITH_TOKEN,
      policy: { route: { address: '10.0.3.7', port: 5007 } },
      context: { isNodeProxy: (_address, port) => port === 5007 },
    },
    { kind: 'allow', destination: { address: '10.0.3.7', port: 5007 } },
  ],
  [
    '… unless that is an own listener, too',
    {
      request: WITH_TOKEN,
      policy: { route: { address: '10.0.3.7', port: 5007 } },
      context: { isNodeProxy: () => true, isOwnListener: () => true },
    },
    { reason: 'port_closed', detail: 'own_listener' },
  ],
  [
    '… which is checked after the token',
    { context: { isOwnListener: () => true } },
    { reason: 'token_missing' },
  ],
  [
    'ingress routing needs no route and sets no destination',
    { request: WITH_TOKEN, policy: { route: undefined }, context: { routing: 'ingress' } },
    { kind: 'allow', destination: undefined },
  ],
])('%s', (_behaviour, given, expected) => {
  expect(decided(given)).toMatchObject(expected);
});

test('a state or look-up that this version does not know is never allowed', () => {
  const frozen = { allowPublicTraffic: true, state: 'frozen' as Policy['state'] };
  expect(decided({ policy: frozen })).toMatchObject({ reason: 'unavailable', detail: 'POLICY_UNREADABLE' });
  expect(decided({ lookup: JSON.parse('{"kind":"maybe"}') })).toMatchObject({
    reason: 'unavailable',
  });
});

test('neither a target error nor a control-plane path needs a policy', () => {
  expect(decideByTarget(requestOf(), { kind: 'error', error: 'missing_header' })).toMatchObject({
    kind: 'deny',
  });
  expect(decideByTarget(requestOf({ path: '//init' }), AGENT)).toMatchObject({
    reason: 'control_plane_path',
  });
  expect(decideByTarget(requestOf(), targetOf())).toEqual(targetOf());
  expect(decide(requestOf(), targetOf(), undefined, NOW, contextOf())).toMatchObject({
    reason: 'unavailable',
  });
});

test('only the TLS ports of the route are dialed with TLS', () => {
  const tlsOn = (...ports: number[]) =>
    decided({
      request: WITH_TOKEN,
      policy: { route: { address: '10.0.3.7', port: undefined, tlsPorts: new Set(ports) } },
    });
  expect(tlsOn(8080)).toMatchObject({ destination: { port: 8080, tls: true } });
  expect(tlsOn(8443)).toMatchObject({ destination: { port: 8080, tls: false } });
});

test('the destination is the requested port, or the node proxy', () => {
  const direct = decided({ request: WITH_TOKEN });
  expect(direct).toMatchObject({ destination: { address: '10.0.3.7', port: 8080 }, upstreamHost: undefined });
  const policy = { route: { address: '10.0.0.2', port: 5007 }, maskRequestHost: `localhost:\${PORT}` };
  const proxied = decided({ request: WITH_TOKEN, policy });
  expect(proxied).toMatchObject({ destination: policy.route, upstreamHost: `8080-${ID}.e2b.app` });
  const local: TargetResult = {
    kind: 'target',
    target: { sandboxId: ID, port: 8080, domain: undefined, from: 'headers' },
  };
  expect(decided({ request: WITH_TOKEN, policy, target: local })).toMatchObject({
    upstreamHost: `8080-${ID}.default.app`,
  });
});

test('a mask replaces the Host, except for the agent', () => {
  const policy = { allowPublicTraffic: true, maskRequestHost: `p\${PORT}.localhost:\${PORT}` };
  expect(decided({ policy })).toMatchObject({ upstreamHost: 'p8080.localhost:8080' });
  expect(decided({ policy, target: AGENT })).toMatchObject({ upstreamHost: undefined });
});

test('the stream of an expiring token ends when the token does', () => {
  const streamMs = (left: number) =>
    decided({ request: WITH_TOKEN, policy: { tokens: [policyToken({ expiresAt: NOW + left })] } });
  expect(streamMs(60_000)).toMatchObject({ kind: 'allow', streamMs: 60_000 });
  expect(streamMs(0.5)).toMatchObject({ kind: 'allow', streamMs: 1 });
  expect(streamMs(0)).toMatchObject({ reason: 'token_invalid', detail: 'expired' });
});
