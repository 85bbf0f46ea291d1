import type { Decision, Deny } from '../decision/decision.ts';
import type { Policy } from '../policy/policy.ts';
import { AGENT_PORT, type Target, type TargetError, type TargetSource } from '../target/target.ts';
import type { Evaluation, Step, StepName } from './explanation.ts';
import { policyStep } from './policy-step.ts';
import { tokenStep } from './token-step.ts';

/** The step that each refusal comes from. */
const REFUSED_AT: Readonly<Record<Deny['reason'], StepName>> = {
  invalid_host: 'target',
  missing_header: 'target',
  invalid_sandbox_id: 'target',
  invalid_sandbox_port: 'target',
  control_plane_path: 'internal path',
  sandbox_not_found: 'policy',
  sandbox_transitioning: 'policy',
  unavailable: 'policy',
  token_missing: 'token',
  token_invalid: 'token',
  port_closed: 'route',
};

const TARGET_FAULTS: Readonly<Record<TargetError, string>> = {
  invalid_host: 'the host names no sandbox: another form, a parent domain that is not ours, or headers twice',
  missing_header: 'e2b-sandbox-id and e2b-sandbox-port go together, and one of them is missing',
  invalid_sandbox_id: 'the sandbox id is not 1 to 63 of a-z and 0-9',
  invalid_sandbox_port: 'the port is not 1 to 65535 in plain decimal',
};

/** The steps up to the decision, which says where they end. */
export function stepsOf(judged: Evaluation): Step[] {
  const { decision, request, target, lookup } = judged;
  const refusal = judged.fault === undefined ? refusalOf(decision) : undefined;
  const refusedAt = refusal && REFUSED_AT[refusal.reason];
  const steps: Step[] = [];
  /** False once the decision has been made. */
  const add = (name: StepName, { found, ...facts }: { found: string; [fact: string]: unknown }) => {
    const passed = name !== refusedAt;
    steps.push({ name, passed, found, ...facts });
    return passed;
  };

  if (target.kind === 'error') add('target', { found: TARGET_FAULTS[target.error] });
  if (target.kind === 'error' || !add('target', targetFound(target.target, target.from))) return steps;
  if (!add('internal path', internalFound(target.target, refusedAt === 'internal path'))) return steps;
  if (!add('policy', policyStep(judged, target.target, refusal)) || lookup?.kind !== 'found') return steps;
  const { policy } = lookup;
  if (!add('token', tokenStep(policy, request, target.target, judged))) return steps;
  if (!add('route', routeFound(policy, target.target, refusal)) || decision.kind !== 'allow') return steps;
  add('masking', maskingFound(policy, target.target, decision.upstreamHost));
  return steps;
}

function refusalOf(decision: Decision): Deny | undefined {
  switch (decision.kind) {
    case 'allow':
      return undefined;
    case 'deny':
      return decision;
    case 'preflight':
      return decision.refused;
    default:
      return decision satisfies never;
  }
}

function targetFound({ sandboxId, port, domain }: Target, from: TargetSource) {
  const under = domain === undefined ? '' : ` under ${domain}`;
  const source = from === 'host' ? `the host${under}` : `the routing headers${under}`;
  return { found: `port ${port} of ${sandboxId}, from ${source}`, sandboxId, port, from, domain };
}

function internalFound({ port }: Target, refused: boolean) {
  if (refused) return { found: "one of the agent's control-plane paths, which no sandbox URL reaches" };
  return { found: port === AGENT_PORT ? 'none of them' : `not asked on port ${port}` };
}

function routeFound({ route }: Policy, { port }: Target, refusal: Deny | undefined) {
  const facts = { address: route?.address, port: route && (route.port ?? port), nodeProxy: route?.port };
  const to = route && `${route.address}, port ${route.port ?? port}`;
  if (refusal?.detail === 'own_listener')
    return { found: `${to} is a listener of Sandgate's own: never dialled`, ...facts };
  if (refusal !== undefined) return { found: `${to} is not dialled (${refusal.detail})`, ...facts };
  if (route === undefined) return { found: "the ingress' own", ...facts };
  return { found: route.port === undefined ? to! : `${to}, a node proxy`, ...facts };
}

function maskingFound(policy: Policy, { port }: Target, host: string | undefined) {
  if (host !== undefined && policy.route?.port !== undefined)
    return { found: `Host becomes ${host}, for the node proxy`, host };
  if (host !== undefined) return { found: `Host becomes ${host}`, host };
  const kept = policy.maskRequestHost !== undefined && port === AGENT_PORT;
  return { found: kept ? "none: a mask is not for the agent's port" : 'none' };
}
