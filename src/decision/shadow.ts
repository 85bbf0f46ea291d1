import type { Policy } from '../policy/policy.ts';
import { AGENT_PORT } from '../target/port.ts';
import type { Deny, ShadowGrant } from './decision.ts';

/**
 * Milliseconds for which shadow mode still holds on this port, at least 1; undefined where it does not. Never on the
 * agent's port: what is behind it, a shell, is worth more than any web page that a restriction might break.
 */
export function shadowMs({ shadow }: Policy, port: number, now: number): number | undefined {
  if (shadow === undefined || port === AGENT_PORT) return undefined;
  return shadow.from <= now && now < shadow.until ? Math.max(1, Math.floor(shadow.until - now)) : undefined;
}

/** Only a refused token is let through; every other refusal stands. */
export function shadowGrant({ reason, detail, tokenId, tokenLabel }: Deny): ShadowGrant | undefined {
  if (reason !== 'token_missing' && reason !== 'token_invalid') return undefined;
  return { by: 'shadow', reason, detail, tokenId, tokenLabel };
}
