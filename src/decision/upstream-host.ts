import type { Policy } from '../policy/policy.ts';
import { AGENT_PORT, type Target } from '../target/target.ts';
import type { GateContext } from './decision.ts';

const PORT_PLACEHOLDER = /\$\{PORT\}/g;

/**
 * The Host that goes upstream, or undefined if it is the client's. A node proxy routes by Host, so it gets the canonical
 * one, built from the target that was checked: with the client's Host or a mask, sandbox A's token could open sandbox B.
 */
export function upstreamHost(policy: Policy, target: Target, context: GateContext): string | undefined {
  if (policy.route?.port !== undefined) {
    return `${target.port}-${target.sandboxId}.${target.domain ?? context.defaultDomain}`;
  }
  if (target.port === AGENT_PORT) return undefined;
  return policy.maskRequestHost && maskedHost(policy.maskRequestHost, target.port);
}

/** The Host that a mask gives for a port; a node proxy applies the mask itself. */
export function maskedHost(mask: string, port: number): string {
  return mask.replace(PORT_PLACEHOLDER, String(port));
}
