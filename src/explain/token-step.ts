import { createHash } from 'node:crypto';
import type { GateRequest } from '../decision/decision.ts';
import { checkToken } from '../decision/token.ts';
import type { Policy, PolicyToken } from '../policy/policy.ts';
import { AGENT_PORT, type Target } from '../target/target.ts';
import type { Evaluation } from './evaluation.ts';

const DETAILS: Readonly<Record<string, string>> = {
  expired: 'has expired',
  other_port: 'is for other ports',
  other_incarnation: 'is for another incarnation',
};

/** The check of the presented token. Tokens are named by id and label, the presented one by 8 hex digits of its digest. */
export function tokenStep(policy: Policy, request: GateRequest, { port }: Target, evaluation: Evaluation) {
  const { decision } = evaluation;
  if (decision.kind === 'allow') {
    const { grant } = decision;
    if (grant.by === 'public' || grant.by === 'agent') return openStep(grant.by);
    if (grant.by === 'shadow') return shadowStep(verdictStep(policy, request, port, evaluation), policy);
  }
  if (policy.agentSelfAuthenticating && port === AGENT_PORT) return openStep('agent');
  if (policy.allowPublicTraffic) return openStep('public');
  return verdictStep(policy, request, port, evaluation);
}

function shadowStep(denied: { found: string }, policy: Policy) {
  const until = policy.shadow && new Date(policy.shadow.until).toISOString();
  return {
    ...denied,
    found: `${denied.found}; allowed by shadow mode until ${until}`,
    shadowUntil: until,
  };
}

function verdictStep(policy: Policy, request: GateRequest, port: number, { now }: Evaluation) {
  const verdict = checkToken(request.token, policy, port, now);
  const fingerprint = fingerprintOf(request);
  switch (verdict.kind) {
    case 'missing':
      return { found: 'no token was sent' };
    case 'match': {
      const token = factsOf(verdict.token);
      const until = token.expiresAt === undefined ? '' : `, expires ${token.expiresAt}`;
      return { found: `${nameOf(token)} matches${until}`, token, fingerprint };
    }
    case 'invalid': {
      if (verdict.detail === 'several_values')
        return { found: 'more than one token was sent', detail: verdict.detail };
      const presented = `the token sent (SHA-256 ${fingerprint}…)`;
      if (verdict.known === undefined) return { found: `${presented} does not match any`, fingerprint };
      const token = factsOf(verdict.known);
      const found = `${nameOf(token)} ${DETAILS[verdict.detail ?? ''] ?? 'cannot be used'}`;
      return { found, detail: verdict.detail, token, fingerprint };
    }
    default:
      return verdict satisfies never;
  }
}

function openStep(by: 'public' | 'agent') {
  const why = by === 'public' ? 'the sandbox is public' : 'the agent checks its own token';
  return { found: `not needed: ${why}`, by };
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
