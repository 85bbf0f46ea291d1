import type { Decision, Deny } from '../decision/decision.ts';
import type { Policy } from '../policy/policy.ts';
import { AGENT_PORT, type Target, type TargetError } from '../target/target.ts';
import type { Evaluation } from './evaluation.ts';
import type { Step, StepName } from './explanation.ts';
import { policyStep } from './policy-step.ts';
import { tokenStep } from './token-step.ts';

/** The step that each denial comes from. */
const DENIED_AT: Readonly<Record<Deny['reason'], StepName>> = {
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
  invalid_host:
    'the host does not name a sandbox: wrong form, unknown parent domain, or duplicate routing headers',
  missing_header: 'only one of e2b-sandbox-id and e2b-sandbox-port was sent',
  invalid_sandbox_id: 'the sandbox id is not 1 to 63 of a-z and 0-9',
  invalid_sandbox_port: 'the port is not 1 to 65535 in plain decimal',
};

/** The steps up to the one that decided. */
export function stepsOf(evaluation: Evaluation): Step[] {
  const { decision, request, target, lookup } = evaluation;
  const denial = evaluation.fault === undefined ? denialOf(decision) : undefined;
  const deniedAt = denial && DENIED_AT[denial.reason];
  const steps: Step[] = [];
  /** False once the decision has been made. */
  const add = (name: StepName, { found, ...facts }: { found: string; [fact: string]: unknown }) => {
    const passed = name !== deniedAt;
    steps.push({ name, passed, found, ...facts });
    return passed;
  };

  if (target.kind === 'error') add('target', { found: TARGET_FAULTS[target.error] });
  if (target.kind === 'error' || !add('target', targetFound(target.target))) return steps;
  if (!add('internal path', internalFound(target.target, deniedAt === 'internal path'))) return steps;
  if (!add('policy', policyStep(evaluation, target.target, denial)) || lookup?.kind !== 'found') return steps;
  const { policy } = lookup;
  if (!add('token', tokenStep(policy, request, target.target, evaluation))) return steps;
  if (!add('route', routeFound(policy, target.target, denial)) || decision.kind !== 'allow') return steps;
  add('masking', maskingFound(policy, target.target, decision.upstreamHost));
  return steps;
}

function denialOf(decision: Decision): Deny | undefined {
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

function targetFound({ sandboxId, port, domain, from }: Target) {
  const under = domain === undefined ? '' : ` under ${domain}`;
  const source = from === 'host' ? `the host${under}` : `the routing headers${under}`;
  return { found: `port ${port} of ${sandboxId}, from ${source}`, sandboxId, port, from, domain };
}

function internalFound({ port }: Target, denied: boolean) {
  if (denied)
    return { found: "one of the agent's control-plane paths, which are not reachable through a sandbox URL" };
  return { found: port === AGENT_PORT ? 'not an internal path' : `not checked on port ${port}` };
}

function routeFound({ route }: Policy, { port }: Target, denial: Deny | undefined) {
  const facts = { address: route?.address, port: route && (route.port ?? port), nodeProxy: route?.port };
  const to = route && `${route.address}, port ${route.port ?? port}`;
  if (denial?.detail === 'own_listener')
    return { found: `${to} is one of Sandgate's own listeners, which are never dialed`, ...facts };
  if (denial?.detail === 'node_proxy')
    return { found: `${to} is a node proxy, to which only a route with a port leads`, ...facts };
  if (denial !== undefined) return { found: `${to} is not dialed (${denial.detail})`, ...facts };
  if (route === undefined) return { found: "the ingress' own route", ...facts };
  return { found: route.port === undefined ? to! : `${to}, a node proxy`, ...facts };
}

function maskingFound(policy: Policy, { port }: Target, host: string | undefined) {
  if (host !== undefined && policy.route?.port !== undefined)
    return { found: `Host becomes ${host} for the node proxy`, host };
  if (host !== undefined) return { found: `Host becomes ${host}`, host };
  const kept = policy.maskRequestHost !== undefined && port === AGENT_PORT;
  return { found: kept ? "none: masks do not apply to the agent's port" : 'none' };
}
