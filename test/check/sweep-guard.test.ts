import { expect, test } from 'vitest';
import { SweepGuard } from '../../src/check/sweep-guard.ts';
import { decide } from '../../src/decision/decide.ts';
import type { Decision, GateRequest } from '../../src/decision/decision.ts';
import type { Policy } from '../../src/policy/policy.ts';
import {
  contextOf,
  NOW,
  policyOf,
  preflightOf,
  requestOf,
  targetOf,
  tokenHeader,
} from '../decision/request.ts';

const PUBLIC = policyOf({ allowPublicTraffic: true });

function decisionAt(
  guard: SweepGuard,
  port: number,
  policy: Policy,
  request: GateRequest = requestOf(),
): Decision {
  const decision = decide(
    request,
    targetOf(port),
    { kind: 'found', policy },
    NOW,
    contextOf({ allowShadow: true }),
  );
  return guard.limit(decision, request, 0);
}

function sweep(guard: SweepGuard, policy: Policy, request?: GateRequest): number {
  let allowed = 0;
  for (let port = 1; port <= 65_535; port++) {
    if (decisionAt(guard, port, policy, request).kind === 'allow') allowed++;
  }
  return allowed;
}

test('a sandbox has 256 ports without a token and 2,048 with one, counted separately', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, PUBLIC)).toBe(256);
  expect(sweep(guard, policyOf(), requestOf({ token: tokenHeader() }))).toBe(2048);
});

test('a sandbox in shadow mode counts as public', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, policyOf({ shadow: { from: NOW, until: NOW + 1000 } }))).toBe(256);
});

test('a port over the limit is closed and not dialled', () => {
  const guard = new SweepGuard();
  sweep(guard, PUBLIC);
  expect(decisionAt(guard, 9999, PUBLIC)).toMatchObject({
    reason: 'port_closed',
    detail: 'port_sweep',
    port: 9999,
  });
  expect(decisionAt(guard, 9999, PUBLIC, preflightOf())).toMatchObject({
    kind: 'preflight',
    refused: { detail: 'port_sweep' },
  });
});

test('a sweep leaves one of the 256 ports to the agent', () => {
  const guard = new SweepGuard();
  const policy = policyOf({ allowPublicTraffic: true, agentSelfAuthenticating: true });
  expect(sweep(guard, policy)).toBe(256);
  expect(decisionAt(guard, 49983, policy)).toMatchObject({ kind: 'allow', grant: { by: 'agent' } });
});
