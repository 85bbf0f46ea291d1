import { denyOrPreflight } from '../decision/decide.ts';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import { PortBudget } from './port-budget.ts';

/** Distinct ports per sandbox and gate in 60 s for requests that need no token. */
const OPEN_PORTS = 256;

/** The same for requests with a valid token. */
const TOKEN_PORTS = 2048;

/**
 * Turns the allows of a port sweep into the closed-port answer, so that Envoy does not dial them. Requests with a token
 * are counted separately, so that others cannot use up the ports of a token's holder.
 */
export class SweepGuard {
  readonly #open = new PortBudget();
  readonly #token = new PortBudget();

  /** `now` is monotonic, in milliseconds. */
  limit(decision: Decision, request: GateRequest, now: number): Decision {
    if (decision.kind !== 'allow' || this.#admits(decision, now)) return decision;
    const { sandboxId, port, policy, grant } = decision;
    return denyOrPreflight(request, {
      kind: 'deny',
      reason: 'port_closed',
      detail: 'port_sweep',
      sandboxId,
      port,
      policyVersion: policy.version,
      ...('tokenId' in grant && { tokenId: grant.tokenId, tokenLabel: grant.tokenLabel }),
    });
  }

  /** Uses the policy's id as the key, since the request's own copy of it would stay in memory. */
  #admits({ port, grant, policy }: Allow, now: number): boolean {
    switch (grant.by) {
      case 'token':
        return this.#token.admits(policy.sandboxId, port, TOKEN_PORTS, now);
      case 'shadow':
      case 'public': {
        // One port is reserved for the agent: a stranger's sweep must not cut the owner off.
        const limit = policy.agentSelfAuthenticating ? OPEN_PORTS - 1 : OPEN_PORTS;
        return this.#open.admits(policy.sandboxId, port, limit, now);
      }
      case 'agent':
        return true;
      default:
        grant satisfies never;
        return false;
    }
  }
}
