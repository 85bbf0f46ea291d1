import { refuse } from '../decision/decide.ts';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import { PortBudget } from './port-budget.ts';

/** Distinct ports per sandbox and gate in 60 s, where no token is needed and where a valid one was presented. */
const OPEN_PORTS = 256;
const TOKEN_PORTS = 2048;

/**
 * Turns allows of a sweep over ports into the closed-port answer, undialled. Those with a token are counted apart,
 * so that strangers cannot use up the holder's ports.
 */
export class SweepGuard {
  readonly #open = new PortBudget();
  readonly #token = new PortBudget();

  /** `now` is monotonic, in milliseconds. */
  judge(decision: Decision, request: GateRequest, now: number): Decision {
    if (decision.kind !== 'allow' || this.#admits(decision, now)) return decision;
    const { sandboxId, port, policy, grant } = decision;
    return refuse(request, {
      kind: 'deny',
      reason: 'port_closed',
      detail: 'port_sweep',
      sandboxId,
      port,
      policyVersion: policy.version,
      ...('tokenId' in grant && { tokenId: grant.tokenId, tokenLabel: grant.tokenLabel }),
    });
  }

  /** The policy's id, not a second copy of the same text. */
  #admits({ port, grant, policy }: Allow, now: number): boolean {
    switch (grant.by) {
      case 'token':
        return this.#token.admits(policy.sandboxId, port, TOKEN_PORTS, now);
      case 'shadow':
      case 'public': {
        // One is kept for the agent: a stranger's sweep must not cut its owner off.
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
