import { decide } from '../../src/decision/decide.ts';
import type { Decision, GateContext, GateRequest } from '../../src/decision/decision.ts';
import type { Policy, PolicyLookup } from '../../src/policy/policy.ts';
import type { TargetResult } from '../../src/target/target.ts';
import { contextOf, NOW, policyOf, requestOf, targetOf, tokenHeader } from './request.ts';

export interface Case {
  request?: Partial<GateRequest>;
  target?: TargetResult;
  policy?: Partial<Policy>;
  lookup?: PolicyLookup;
  context?: Partial<GateContext>;
}

export function decided({ request, target = targetOf(), policy, lookup, context }: Case): Decision {
  const found = lookup ?? { kind: 'found', policy: policyOf(policy) };
  return decide(requestOf(request), target, found, NOW, contextOf(context));
}

export const AGENT = targetOf(49983);
export const WITH_TOKEN = { token: tokenHeader() };
export const SELF = { agentSelfAuthenticating: true };
