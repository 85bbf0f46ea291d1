import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '../../src/decision/decide.ts';
import type { GateContext, GateRequest } from '../../src/decision/decision.ts';
import type { Policy, PolicyLookup } from '../../src/policy/policy.ts';
import { internalPath } from '../../src/target/internal-path.ts';
import type { TargetResult } from '../../src/target/target.ts';
import { digestOf, ID, NOW, requestOf } from './request.ts';

const values = fc.constantFrom('good', 'other', '', 'good,good', 'x');
const times = fc.option(fc.integer({ min: NOW - 2, max: NOW + 2 }), { nil: undefined });
const ports = fc.constantFrom(1, 80, 8080, 49983, 65535);

const tokens = fc.array(
  fc.record({
    id: fc.constantFrom('a', 'b'),
    digest: values.map((value) => digestOf(value)),
    expiresAt: times,
    ports: fc.option(
      fc.array(ports).map((list) => new Set(list)),
      { nil: undefined },
    ),
    incarnation: fc.constantFrom(undefined, 'first', 'second'),
  }),
  { maxLength: 3 },
);

const policies: fc.Arbitrary<Policy> = fc.record({
  sandboxId: fc.constantFrom(ID, ID, ID, 'other'),
  incarnation: fc.constantFrom('first', 'second'),
  state: fc.constantFrom('running', 'running', 'running', 'paused', 'transitioning'),
  endsAt: times,
  agentSelfAuthenticating: fc.boolean(),
  route: fc.constantFrom(
    { address: '10.0.0.1', port: undefined },
    { address: 'fd00::1', port: 5007 },
    undefined,
  ),
  allowPublicTraffic: fc.boolean(),
  publicRefused: fc.boolean(),
  version: fc.constant('0123456789abcdef.1'),
  shadow: fc.constantFrom(
    undefined,
    { from: NOW - 9, until: NOW + 9 },
    { from: NOW, until: NOW + 1 },
    { from: NOW - 9, until: NOW },
    { from: NOW + 1, until: NOW + 9 },
  ),
  tokens,
  maskRequestHost: fc.constantFrom(undefined, `localhost:\${PORT}`),
  forwardToken: fc.boolean(),
});

const lookups: fc.Arbitrary<PolicyLookup | undefined> = fc.oneof(
  { weight: 8, arbitrary: policies.map((policy) => ({ kind: 'found', policy }) as const) },
  fc.constantFrom(
    { kind: 'absent' } as const,
    { kind: 'unavailable', code: 'STORE_UNAVAILABLE' } as const,
    undefined,
  ),
);

const targets: fc.Arbitrary<TargetResult> = fc.oneof(
  {
    weight: 8,
    arbitrary: ports.map(
      (port) =>
        ({ kind: 'target', target: { sandboxId: ID, port, domain: 'e2b.app', from: 'host' } }) as const,
    ),
  },
  fc
    .constantFrom('invalid_host', 'missing_header')
    .map((error) => ({ kind: 'error', error }) as TargetResult),
);

const requests: fc.Arbitrary<GateRequest> = fc
  .record({
    method: fc.constantFrom('GET', 'OPTIONS'),
    path: fc.constantFrom('/', '/init', '/x/../init', '/initialize'),
    token: fc.oneof(
      values.map((value) => ({ kind: 'one', value: Buffer.from(value) }) as const),
      fc.constantFrom({ kind: 'absent' } as const, { kind: 'several' } as const),
    ),
    origin: fc.constantFrom(undefined, 'https://page.example'),
    requestMethod: fc.constantFrom(undefined, 'PUT'),
  })
  .map(requestOf);

const contexts: fc.Arbitrary<GateContext> = fc.record({
  routing: fc.constantFrom('gate', 'ingress'),
  defaultDomain: fc.constant('default.app'),
  isOwnListener: fc.constantFrom<GateContext['isOwnListener'][]>(
    () => false,
    (_address, port) => port === 8080,
  ),
  isNodeProxy: fc.constantFrom<GateContext['isNodeProxy'][]>(
    () => false,
    (_address, port) => port === 8080,
  ),
  allowShadow: fc.boolean(),
});

/** In shadow mode requests without a valid token are allowed, except to the agent. */
function isShadowed(policy: Policy, port: number, context: GateContext): boolean {
  const { from = Number.POSITIVE_INFINITY, until = 0 } = policy.shadow ?? {};
  return context.allowShadow && port !== 49983 && from <= NOW && until > NOW;
}

/** The contract's condition for an allow, as one expression rather than as a sequence of checks. */
function mayPass(
  request: GateRequest,
  target: TargetResult,
  lookup: PolicyLookup | undefined,
  context: GateContext,
): boolean {
  if (target.kind === 'error' || lookup?.kind !== 'found') return false;
  const { policy } = lookup;
  const { port, sandboxId } = target.target;
  const agent = port === 49983;
  const header = request.token;
  const tokenPasses = policy.tokens.some(
    (token) =>
      header.kind === 'one' &&
      header.value.length > 0 &&
      !header.value.includes(0x2c) &&
      digestOf(header.value) === token.digest &&
      (token.expiresAt ?? Number.POSITIVE_INFINITY) > NOW &&
      (token.ports?.has(port) ?? true) &&
      (token.incarnation ?? policy.incarnation) === policy.incarnation,
  );
  return (
    policy.sandboxId === sandboxId &&
    !(agent && internalPath(request.path) !== undefined) &&
    policy.state === 'running' &&
    (policy.endsAt ?? Number.POSITIVE_INFINITY) > NOW &&
    (policy.allowPublicTraffic ||
      (agent && policy.agentSelfAuthenticating) ||
      tokenPasses ||
      isShadowed(policy, port, context)) &&
    (context.routing === 'ingress' ||
      (policy.route !== undefined &&
        !context.isOwnListener(policy.route.address, policy.route.port ?? port) &&
        (policy.route.port !== undefined || !context.isNodeProxy(policy.route.address, port))))
  );
}

test('a request is allowed exactly if the contract allows it', () => {
  let allowed = 0;
  fc.assert(
    fc.property(requests, targets, lookups, contexts, (request, target, lookup, context) => {
      const decision = decide(request, target, lookup, NOW, context);
      expect(decision.kind === 'allow').toBe(mayPass(request, target, lookup, context));
      if (decision.kind === 'allow') allowed++;
    }),
    { numRuns: 5000 },
  );
  expect(allowed).toBeGreaterThan(200);
});

test('an allow in gate routing always names a destination, and an expiring token always bounds the stream', () => {
  fc.assert(
    fc.property(requests, targets, lookups, contexts, (request, target, lookup, context) => {
      const decision = decide(request, target, lookup, NOW, context);
      if (decision.kind !== 'allow') return;
      expect(decision.destination === undefined).toBe(context.routing === 'ingress');
      const { grant, policy, streamMs } = decision;
      const used = grant.by === 'token' ? policy.tokens.find(({ id }) => id === grant.tokenId) : undefined;
      if (grant.by === 'shadow') expect(streamMs).toBe(policy.shadow!.until - NOW);
      else if (used === undefined) expect(streamMs).toBeUndefined();
      if (streamMs !== undefined) expect(streamMs).toBeGreaterThanOrEqual(1);
    }),
    { numRuns: 2000 },
  );
});

test('a target error or control-plane path gets the same answer for every policy', () => {
  fc.assert(
    fc.property(requests, targets, lookups, lookups, contexts, (request, target, one, other, context) => {
      const early =
        target.kind === 'error' || (target.target.port === 49983 && internalPath(request.path) !== undefined);
      fc.pre(early);
      expect(decide(request, target, one, NOW, context)).toEqual(
        decide(request, target, other, NOW, context),
      );
    }),
    { numRuns: 500 },
  );
});

test('a preflight is never denied for lack of a token: it is allowed, or answered 204 or 503', () => {
  fc.assert(
    fc.property(requests, targets, lookups, contexts, (request, target, lookup, context) => {
      const preflight = {
        ...request,
        method: 'OPTIONS',
        origin: 'https://page.example',
        requestMethod: 'PUT',
      };
      const decision = decide(preflight, target, lookup, NOW, context);
      if (decision.kind === 'deny') expect(decision.reason).toBe('unavailable');
    }),
    { numRuns: 2000 },
  );
});

test('shadow mode only changes denials for a token, never on 49983, and never without the setting', () => {
  let shadowed = 0;
  fc.assert(
    fc.property(requests, targets, lookups, contexts, (request, target, lookup, context) => {
      const enforced = decide(request, target, lookup, NOW, { ...context, allowShadow: false });
      const allowed = decide(request, target, lookup, NOW, { ...context, allowShadow: true });
      expect(enforced).not.toMatchObject({ grant: { by: 'shadow' } });
      if (allowed.kind === 'allow' && allowed.grant.by === 'shadow') {
        shadowed++;
        const { reason, detail, tokenId } = allowed.grant;
        if (enforced.kind === 'preflight') return;
        expect(allowed.port).not.toBe(49983);
        expect(enforced).toMatchObject({ kind: 'deny', reason, detail, tokenId });
        expect(['token_missing', 'token_invalid']).toContain(reason);
      } else if (JSON.stringify(allowed) !== JSON.stringify(enforced)) {
        // Allowed by shadow mode, it then met the check for own listeners like any other request.
        const preflight = request.method === 'OPTIONS' && request.requestMethod && request.origin;
        expect(allowed).toMatchObject(preflight ? { kind: 'preflight' } : { reason: 'port_closed' });
      }
    }),
    { numRuns: 5000 },
  );
  expect(shadowed).toBeGreaterThan(20);
});
