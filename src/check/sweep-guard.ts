import { clientNetwork } from '../address.ts';
import { denyOrPreflight } from '../decision/decide.ts';
import type { Allow, Decision, GateRequest } from '../decision/decision.ts';
import { PortBudget, type PortLimits } from './port-budget.ts';
import { PortProbe } from './port-probe.ts';

/**
 * Ports of a sandbox for requests that need no token. With the port of its agent, which is never refused, they are 256.
 * A quarter is for ports on which something listens: the gate finds that out before it allows one, so that strangers,
 * however many addresses they have, cannot take the place of the owner's.
 */
const OPEN: PortLimits = { sandbox: 255, sandboxUnproven: 192, client: 64, clientUnproven: 48 };

/** The same if the ingress chooses the destination, so that the gate cannot find out. */
const OPEN_AT_INGRESS: PortLimits = { ...OPEN, sandboxUnproven: 255, clientUnproven: 64 };

/** For requests with a valid token. Whoever holds it may use up all of them. */
const TOKEN: PortLimits = { sandbox: 2048, sandboxUnproven: 2048, client: 2048, clientUnproven: 2048 };

/** Connects of the gate for one client in a second: less than its checks cost, and more than a person asks for. */
const PROBES_PER_SECOND = 64;

/**
 * Refuses the allows of a port sweep, so that Envoy does not dial them. Requests with a token are counted separately, so
 * that others cannot use up the ports of a token's holder.
 */
export class SweepGuard {
  readonly #open = new PortBudget(OPEN);
  readonly #openAtIngress = new PortBudget(OPEN_AT_INGRESS);
  readonly #token = new PortBudget(TOKEN);
  readonly #probe = new PortProbe();
  /** Connects begun since `#second`, by client. */
  #begun = new Map<string, number>();
  #second = 0;

  /**
   * Whether this allow stands; a promise, which never rejects, if the gate has to find out whether something listens. If
   * it resolves to true, the port has its place, and asking again gives true at once. `now` is monotonic, in milliseconds.
   */
  admits(allow: Allow, request: GateRequest, now: number): boolean | Promise<boolean> {
    const { port, grant, policy, destination } = allow;
    // Every port of a node proxy is one destination to Envoy, and the retries of a closed one are the node proxy's.
    if (destination !== undefined && policy.route?.port !== undefined) return true;
    // The policy's id is the key, since the request's own copy of it would stay in memory.
    const { sandboxId } = policy;
    switch (grant.by) {
      case 'token':
        return this.#token.admits(sandboxId, port, '', now) === 'admitted';
      case 'shadow':
      case 'public':
        break;
      case 'agent':
        return true;
      default:
        grant satisfies never;
        return false;
    }
    const address = request.clientAddress || request.peerAddress;
    if (destination === undefined)
      return this.#openAtIngress.admits(sandboxId, port, address, now) === 'admitted';
    const admission = this.#open.admits(sandboxId, port, address, now);
    if (admission !== 'unproven') return admission === 'admitted';
    const mayStart = () => this.#mayProbe(clientNetwork(address), now);
    const isOpen = this.#probe.isOpen(destination.address, destination.port, now, mayStart);
    if (typeof isOpen === 'boolean') return isOpen;
    return isOpen.then((found) => found && this.#open.admitsProven(sandboxId, port, address, now));
  }

  #mayProbe(client: string, now: number): boolean {
    if (now - this.#second >= 1000) {
      this.#begun = new Map();
      this.#second = now;
    }
    const begun = this.#begun.get(client) ?? 0;
    this.#begun.set(client, begun + 1);
    return begun < PROBES_PER_SECOND;
  }
}

/** The answer to a request that the guard does not admit: that of a closed port. */
export function closedBySweep(allow: Allow, request: GateRequest): Decision {
  const { sandboxId, port, policy, grant } = allow;
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
