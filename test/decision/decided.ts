import { decide } from '../../src/decision/decide.ts';
import type { Decision, GateRequest, Site } from '../../src/decision/decision.ts';
import type { Policy, PolicyLookup } from '../../src/policy/policy.ts';
import type { TargetResult } from '../../src/target/target.ts';
import { NOW, policyOf, requestOf, siteOf, targetOf, tokenHeader } from './request.ts';

export interface Case {
  request?: Partial<GateRequest>;
  target?: TargetResult;
  policy?: Partial<Policy>;
  lookup?: PolicyLookup;
  site?: Partial<Site>;
}

export function decided({ request, target = targetOf(), policy, lookup, site }: Case): Decision {
  const found = lookup ?? { kind: 'found', policy: policyOf(policy) };
  return decide(requestOf(request), target, found, NOW, siteOf(site));
}

export const AGENT = targetOf(49983);
export const WITH_TOKEN = { token: tokenHeader() };
export const SELF = { agentSelfAuthenticating: true };
