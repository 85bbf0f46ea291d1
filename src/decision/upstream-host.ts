import type { Policy } from '../policy/policy.ts';
import { AGENT_PORT, type Target } from '../target/target.ts';
import type { Site } from './decision.ts';

const PORT_PLACEHOLDER = /\$\{PORT\}/g;

/**
 * The Host that goes upstream where it is not the client's. A node proxy reads Host itself, so it gets the canonical
 * one, built from what was checked: with the client's, or with a mask, sandbox A's token could open sandbox B.
 */
export function upstreamHost(policy: Policy, target: Target, site: Site): string | undefined {
  if (policy.route?.port !== undefined) {
    return `${target.port}-${target.sandboxId}.${target.domain ?? site.defaultDomain}`;
  }
  if (target.port === AGENT_PORT) return undefined;
  return policy.maskRequestHost && maskedHost(policy.maskRequestHost, target.port);
}

/** The Host that a mask makes of a port; a node proxy masks by itself. */
export function maskedHost(mask: string, port: number): string {
  return mask.replace(PORT_PLACEHOLDER, String(port));
}
