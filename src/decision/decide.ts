import type { Policy, PolicyLookup } from '../policy/policy.ts';
import { internalPath } from '../target/internal-path.ts';
import { AGENT_PORT, type Target, type TargetResult } from '../target/target.ts';
import type {
  Decision,
  Deny,
  GateRequest,
  Grant,
  Preflight,
  PresentedToken,
  ShadowGrant,
  Site,
} from './decision.ts';
import { judgeToken } from './token.ts';
import { upstreamHost } from './upstream-host.ts';

/** The whole decision, in the order of docs/contract.md §2. Pure and total; `now` is milliseconds since 1970. */
export function decide(
  request: GateRequest,
  target: TargetResult,
  lookup: PolicyLookup | undefined,
  now: number,
  site: Site,
): Decision {
  const judged = judgeTarget(request, target);
  return judged.kind === 'target' ? judgePolicy(request, judged.target, lookup, now, site) : judged;
}

/**
 * Steps 1 and 2, before any look-up, so that the answer says nothing about which sandboxes exist. Gives the target
 * back where a policy is needed to say more; `judgePolicy` then does.
 */
export function judgeTarget(
  request: GateRequest,
  result: TargetResult,
): Deny | Preflight | Extract<TargetResult, { kind: 'target' }> {
  if (result.kind === 'error') return refuse(request, { kind: 'deny', reason: result.error });
  const { target } = result;
  if (target.port !== AGENT_PORT || internalPath(request.path) === undefined) return result;
  return refuse(request, denial('control_plane_path', target));
}

/** Steps 3 to 5. A look-up that was not made counts as unavailable. */
export function judgePolicy(
  request: GateRequest,
  target: Target,
  lookup: PolicyLookup | undefined,
  now: number,
  site: Site,
): Decision {
  if (lookup === undefined) return denial('unavailable', target, undefined, 'INTERNAL');
  switch (lookup.kind) {
    case 'unavailable':
      return denial('unavailable', target, undefined, lookup.code);
    case 'absent':
      return refuse(request, denial('sandbox_not_found', target));
    case 'found': {
      const decision = judgeFound(request, target, lookup.policy, now, site);
      return decision.kind === 'deny' ? refuse(request, decision) : decision;
    }
    default:
      lookup satisfies never;
      return denial('unavailable', target, undefined, 'INTERNAL');
  }
}

function judgeFound(request: GateRequest, target: Target, policy: Policy, now: number, site: Site): Decision {
  // A cache or store that mixes up two records must not open one sandbox with the other's policy.
  if (policy.sandboxId !== target.sandboxId) return denial('unavailable', target, undefined, 'INTERNAL');
  const notRunning = judgeState(policy, target, now);
  if (notRunning !== undefined) return notRunning;
  if (site.routing === 'gate' && policy.route === undefined) {
    return denial('unavailable', target, policy, 'POLICY_UNREADABLE');
  }

  const grant = openGrant(policy, target);
  if (grant !== undefined) return admit(target, policy, grant, undefined, site);
  const verdict = judgeToken(request.token, policy, target.port, now);
  switch (verdict.kind) {
    case 'missing':
      return judgeShadow(denial('token_missing', target, policy), target, policy, now, site);
    case 'invalid': {
      const { detail, known } = verdict;
      const presented = known && { tokenId: known.id, tokenLabel: known.label };
      return judgeShadow(
        denial('token_invalid', target, policy, detail, presented),
        target,
        policy,
        now,
        site,
      );
    }
    case 'match': {
      const { id, label, expiresAt } = verdict.token;
      const streamMs = expiresAt === undefined ? undefined : Math.max(1, Math.floor(expiresAt - now));
      return admit(target, policy, { by: 'token', tokenId: id, tokenLabel: label }, streamMs, site);
    }
    default:
      verdict satisfies never;
      return denial('unavailable', target, policy, 'INTERNAL');
  }
}

/** A refused token in shadow mode passes as on a public sandbox, its stream until the mode ends. */
function judgeShadow(deny: Deny, target: Target, policy: Policy, now: number, site: Site): Decision {
  const leftMs = site.allowShadow === true ? shadowMs(policy, target.port, now) : undefined;
  const grant = leftMs === undefined ? undefined : shadowGrant(deny);
  return grant === undefined ? deny : admit(target, policy, grant, leftMs, site);
}

function judgeState(policy: Policy, target: Target, now: number): Deny | undefined {
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
      // What this version does not know is never taken for running.
      policy.state satisfies never;
      return denial('unavailable', target, policy, 'POLICY_UNREADABLE');
  }
}

/** The two ways in without a token. */
function openGrant(policy: Policy, target: Target): Grant | undefined {
  if (target.port === AGENT_PORT && policy.agentSelfAuthenticating === true) return { by: 'agent' };
  return policy.allowPublicTraffic === true ? { by: 'public' } : undefined;
}

function admit(
  target: Target,
  policy: Policy,
  grant: Grant,
  streamMs: number | undefined,
  site: Site,
): Decision {
  const { sandboxId, port } = target;
  const route = site.routing === 'gate' ? policy.route : undefined;
  const destination = route && { address: route.address, port: route.port ?? port };
  if (destination && site.isOwnListener(destination.address, destination.port)) {
    return denial('port_closed', target, policy, 'own_listener', 'tokenId' in grant ? grant : undefined);
  }
  const host = upstreamHost(policy, target, site);
  return { kind: 'allow', sandboxId, port, grant, policy, destination, upstreamHost: host, streamMs };
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

/**
 * Milliseconds for which shadow mode still holds on this port, at least 1; undefined where it does not. Never on the
 * agent's port: what is behind it, a shell, is worth more than any web page that a restriction might break.
 */
function shadowMs({ shadow }: Policy, port: number, now: number): number | undefined {
  if (shadow === undefined || port === AGENT_PORT) return undefined;
  return shadow.from <= now && now < shadow.until ? Math.max(1, Math.floor(shadow.until - now)) : undefined;
}

/** Only a refused token is let through; every other refusal stands. */
function shadowGrant({ reason, detail, tokenId, tokenLabel }: Deny): ShadowGrant | undefined {
  if (reason !== 'token_missing' && reason !== 'token_invalid') return undefined;
  return { by: 'shadow', reason, detail, tokenId, tokenLabel };
}

/**
 * What a refused request is told, preflight or not (docs/contract.md §2, step 0). A browser sends no token with a preflight,
 * and will not send the real request unless it is answered well; so a refusal becomes a 204 that is the same for every
 * sandbox, known or not. `unavailable` stays: whether the port is public, and the preflight the sandbox's own, is unknown.
 */
export function refuse(request: GateRequest, deny: Deny): Deny | Preflight {
  return isPreflight(request) && deny.reason !== 'unavailable' ? { kind: 'preflight', refused: deny } : deny;
}

function isPreflight(request: GateRequest): boolean {
  return request.method === 'OPTIONS' && request.origin !== undefined && request.requestMethod !== undefined;
}
