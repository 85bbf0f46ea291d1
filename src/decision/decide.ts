import type { Policy, PolicyLookup } from '../policy/policy.ts';
import { internalPath } from '../target/internal-path.ts';
import { AGENT_PORT, type Target, type TargetResult } from '../target/target.ts';
import type {
  Allow,
  Decision,
  Deny,
  GateContext,
  GateRequest,
  Grant,
  Preflight,
  PresentedToken,
  ShadowGrant,
} from './decision.ts';
import { checkToken } from './token.ts';
import { upstreamHost } from './upstream-host.ts';

/** The whole decision, in the order of docs/contract.md §2. Pure and total; `now` is milliseconds since 1970. */
export function decide(
  request: GateRequest,
  target: TargetResult,
  lookup: PolicyLookup | undefined,
  now: number,
  context: GateContext,
): Decision {
  const result = decideByTarget(request, target);
  return result.kind === 'target' ? decideByPolicy(request, result.target, lookup, now, context) : result;
}

/**
 * Steps 1 and 2, before any look-up, so that the answer does not reveal which sandboxes exist. Returns the target if
 * the request passes both; `decideByPolicy` then decides.
 */
export function decideByTarget(
  request: GateRequest,
  result: TargetResult,
): Deny | Preflight | Extract<TargetResult, { kind: 'target' }> {
  if (result.kind === 'error') return denyOrPreflight(request, { kind: 'deny', reason: result.error });
  const { target } = result;
  if (target.port !== AGENT_PORT || internalPath(request.path) === undefined) return result;
  return denyOrPreflight(request, denial('control_plane_path', target));
}

/** Steps 3 to 5. A missing look-up counts as unavailable. */
export function decideByPolicy(
  request: GateRequest,
  target: Target,
  lookup: PolicyLookup | undefined,
  now: number,
  context: GateContext,
): Decision {
  if (lookup === undefined) return denial('unavailable', target, undefined, 'INTERNAL');
  switch (lookup.kind) {
    case 'unavailable':
      return denial('unavailable', target, undefined, lookup.code);
    case 'absent':
      return denyOrPreflight(request, denial('sandbox_not_found', target));
    case 'found': {
      const decision = decideByRecord(request, target, lookup.policy, now, context);
      return decision.kind === 'deny' ? denyOrPreflight(request, decision) : decision;
    }
    default:
      lookup satisfies never;
      return denial('unavailable', target, undefined, 'INTERNAL');
  }
}

/**
 * A denial, or in its place the answer to a CORS preflight (docs/contract.md §2, step 0). A browser sends no token with
 * a preflight, and sends the real request only if the preflight succeeds; so a denied preflight gets a 204 that is the
 * same for every sandbox, known or not. `unavailable` stays a denial: the gate cannot tell whether the port is public,
 * and a public sandbox answers its own preflights.
 */
export function denyOrPreflight(request: GateRequest, deny: Deny): Deny | Preflight {
  return isPreflight(request) && deny.reason !== 'unavailable' ? { kind: 'preflight', refused: deny } : deny;
}

/** A CORS preflight, which Envoy answers too if nobody else does. */
export function isPreflight(request: GateRequest): boolean {
  return request.method === 'OPTIONS' && request.origin !== undefined && request.requestMethod !== undefined;
}

function decideByRecord(
  request: GateRequest,
  target: Target,
  policy: Policy,
  now: number,
  context: GateContext,
): Decision {
  // If a cache or store mixes up two records, one policy must not open the other sandbox.
  if (policy.sandboxId !== target.sandboxId) return denial('unavailable', target, undefined, 'INTERNAL');
  const notRunning = denyByState(policy, target, now);
  if (notRunning !== undefined) return notRunning;
  if (context.routing === 'gate' && policy.route === undefined) {
    return denial('unavailable', target, policy, 'POLICY_UNREADABLE');
  }

  const grant = openGrant(policy, target);
  if (grant !== undefined) return admit(target, policy, grant, undefined, context);
  const verdict = checkToken(request.token, policy, target.port, now);
  switch (verdict.kind) {
    case 'missing':
      return denyOrShadow(
        denial('token_missing', target, policy, whyMissing(policy)),
        target,
        policy,
        now,
        context,
      );
    case 'invalid': {
      const { detail, known } = verdict;
      const presented = known && { tokenId: known.id, tokenLabel: known.label };
      return denyOrShadow(
        denial('token_invalid', target, policy, detail, presented),
        target,
        policy,
        now,
        context,
      );
    }
    case 'match': {
      const { id, label, expiresAt } = verdict.token;
      const streamMs = expiresAt === undefined ? undefined : Math.max(1, Math.floor(expiresAt - now));
      return admit(target, policy, { by: 'token', tokenId: id, tokenLabel: label }, streamMs, context);
    }
    default:
      verdict satisfies never;
      return denial('unavailable', target, policy, 'INTERNAL');
  }
}

/** Clients of a sandbox that used to be public send no token; the log says why they need one now. */
function whyMissing({ publicRefused }: Policy): Deny['detail'] {
  return publicRefused ? 'public_refused' : undefined;
}

/** In shadow mode a request with a refused token is allowed, and its stream ends when shadow mode does. */
function denyOrShadow(
  deny: Deny,
  target: Target,
  policy: Policy,
  now: number,
  context: GateContext,
): Decision {
  const leftMs = context.allowShadow === true ? shadowMs(policy, target.port, now) : undefined;
  const grant = leftMs === undefined ? undefined : shadowGrant(deny);
  return grant === undefined ? deny : admit(target, policy, grant, leftMs, context);
}

/**
 * Milliseconds until shadow mode ends on this port, at least 1; undefined if it is not in force. Never in force on the
 * agent's port: the shell behind it is worth more than any web page that a restriction might break.
 */
function shadowMs({ shadow }: Policy, port: number, now: number): number | undefined {
  if (shadow === undefined || port === AGENT_PORT) return undefined;
  return shadow.from <= now && now < shadow.until ? Math.max(1, Math.floor(shadow.until - now)) : undefined;
}

/** Shadow mode lets through only a missing or refused token; every other denial stands. */
function shadowGrant({ reason, detail, tokenId, tokenLabel }: Deny): ShadowGrant | undefined {
  if (reason !== 'token_missing' && reason !== 'token_invalid') return undefined;
  return { by: 'shadow', reason, detail, tokenId, tokenLabel };
}

function denyByState(policy: Policy, target: Target, now: number): Deny | undefined {
  if (policy.endsAt !== undefined && policy.endsAt <= now)
    return denial('sandbox_not_found', target, policy, 'ended');
  switch (policy.state) {
    case 'running':
      return undefined;
    case 'paused':
      return denial('sandbox_not_found', target, policy, 'paused');
    case 'transitioning':
      return denial('sandbox_transitioning', target, policy);
    default:
      // A state that this version does not know must never pass for running.
      policy.state satisfies never;
      return denial('unavailable', target, policy, 'POLICY_UNREADABLE');
  }
}

/** The grant of a request that needs no token. */
function openGrant(policy: Policy, target: Target): Grant | undefined {
  if (target.port === AGENT_PORT && policy.agentSelfAuthenticating === true) return { by: 'agent' };
  return policy.allowPublicTraffic === true ? { by: 'public' } : undefined;
}

function admit(
  target: Target,
  policy: Policy,
  grant: Grant,
  streamMs: number | undefined,
  context: GateContext,
): Decision {
  const { sandboxId, port, from: targetFrom } = target;
  const route = context.routing === 'gate' ? policy.route : undefined;
  const destination = route && {
    address: route.address,
    port: route.port ?? port,
    tls: route.tlsPorts?.has(port),
  };
  const forbidden = destination && forbiddenDetail(destination, route, context);
  if (forbidden !== undefined) {
    return denial('port_closed', target, policy, forbidden, 'tokenId' in grant ? grant : undefined);
  }
  const host = upstreamHost(policy, target, context);
  return {
    kind: 'allow',
    sandboxId,
    port,
    targetFrom,
    grant,
    policy,
    destination,
    upstreamHost: host,
    streamMs,
  };
}

/**
 * Why the destination must not be dialed; undefined if it may. With a direct route, Host is the client's or the mask, and a
 * node proxy would go by it: sandbox A could reach sandbox B.
 */
function forbiddenDetail(
  { address, port }: NonNullable<Allow['destination']>,
  route: Policy['route'],
  context: GateContext,
): Deny['detail'] {
  if (context.isOwnListener(address, port)) return 'own_listener';
  return route?.port === undefined && context.isNodeProxy(address, port) ? 'node_proxy' : undefined;
}

function denial(
  reason: Deny['reason'],
  target: Target,
  policy?: Policy,
  detail?: Deny['detail'],
  presented?: PresentedToken,
): Deny {
  const { sandboxId, port } = target;
  return {
    kind: 'deny',
    reason,
    detail,
    sandboxId,
    port,
    policyVersion: policy?.version,
    tokenId: presented?.tokenId,
    tokenLabel: presented?.tokenLabel,
  };
}
