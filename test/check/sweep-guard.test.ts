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

test('without a token a sandbox shows 256 ports, with one 2,048, each counted apart', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, PUBLIC)).toBe(256);
  expect(sweep(guard, policyOf(), requestOf({ token: tokenHeader() }))).toBe(2048);
});

test('a sandbox in shadow mode is an open door', () => {
  const guard = new SweepGuard();
  expect(sweep(guard, policyOf({ shadow: { from: NOW, until: NOW + 1000 } }))).toBe(256);
});

test('beyond that the port is closed, undialled', () => {
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

test('a sweep leaves the agent its port, within the 256', () => {
  const guard = new SweepGuard();
  const policy = policyOf({ allowPublicTraffic: true, agentSelfAuthenticating: true });
  expect(sweep(guard, policy)).toBe(256);
  expect(decisionAt(guard, 49983, policy)).toMatchObject({ kind: 'allow', grant: { by: 'agent' } });
});
