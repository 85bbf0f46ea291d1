import { createHash } from 'node:crypto';
import type { GateRequest } from '../decision/decision.ts';
import { checkToken } from '../decision/token.ts';
import type { Policy, PolicyToken } from '../policy/policy.ts';
import { AGENT_PORT, type Target } from '../target/target.ts';
import type { Evaluation } from './explanation.ts';

const DETAILS: Readonly<Record<string, string>> = {
  expired: 'has expired',
  other_port: 'is for other ports',
  other_incarnation: 'is for another incarnation',
};

/** How the presented token fared. Names tokens by id and label; what was presented, by 8 hex of its digest. */
export function tokenStep(policy: Policy, request: GateRequest, { port }: Target, judged: Evaluation) {
  const { decision } = judged;
  if (decision.kind === 'allow') {
    const { grant } = decision;
    if (grant.by === 'public' || grant.by === 'agent') return openStep(grant.by);
    if (grant.by === 'shadow') return shadowStep(verdictStep(policy, request, port, judged), policy);
  }
  if (policy.agentSelfAuthenticating && port === AGENT_PORT) return openStep('agent');
  if (policy.allowPublicTraffic) return openStep('public');
  return verdictStep(policy, request, port, judged);
}

function shadowStep(refused: { found: string }, policy: Policy) {
  const until = policy.shadow && new Date(policy.shadow.until).toISOString();
  return {
    ...refused,
    found: `${refused.found}; let through by shadow mode until ${until}`,
    shadowUntil: until,
  };
}

function verdictStep(policy: Policy, request: GateRequest, port: number, { now }: Evaluation) {
  const verdict = checkToken(request.token, policy, port, now);
  const fingerprint = fingerprintOf(request);
  switch (verdict.kind) {
    case 'missing':
      return { found: 'none was presented' };
    case 'match': {
      const token = factsOf(verdict.token);
      const until = token.expiresAt === undefined ? '' : `, expires ${token.expiresAt}`;
      return { found: `${nameOf(token)} matches${until}`, token, fingerprint };
    }
    case 'invalid': {
      if (verdict.detail === 'several_values')
        return { found: 'more than one was presented', detail: verdict.detail };
      const presented = `the presented one (SHA-256 ${fingerprint}…)`;
      if (verdict.known === undefined) return { found: `${presented} matches none`, fingerprint };
      const token = factsOf(verdict.known);
      const found = `${nameOf(token)} ${DETAILS[verdict.detail ?? ''] ?? 'cannot be used'}`;
      return { found, detail: verdict.detail, token, fingerprint };
    }
    default:
      return verdict satisfies never;
  }
}

function openStep(by: 'public' | 'agent') {
  const why = by === 'public' ? 'the sandbox is public' : 'the agent checks its own';
  return { found: `not asked for: ${why}`, by };
}

type TokenFacts = ReturnType<typeof factsOf>;

function factsOf({ id, label, expiresAt, ports, incarnation }: PolicyToken) {
  return {
    id,
    label,
    expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt).toISOString(),
    ports: ports && [...ports],
    incarnation,
  };
}

function nameOf({ id, label }: TokenFacts): string {
  return label === undefined ? `token ${id}` : `token ${id} (${label})`;
}

function fingerprintOf({ token }: GateRequest): string | undefined {
  if (token.kind !== 'one') return undefined;
  return createHash('sha256').update(token.value).digest('hex').slice(0, 8);
}
