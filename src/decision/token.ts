import { hash, timingSafeEqual } from 'node:crypto';
import type { Policy, PolicyToken } from '../policy/policy.ts';
import type { HeaderValue } from '../target/target.ts';
import type { Detail } from './reasons.ts';

export type TokenVerdict =
  | { kind: 'match'; token: PolicyToken }
  | { kind: 'missing' }
  /** `known`: the token whose value was presented, although `detail` rules it out. */
  | { kind: 'invalid'; detail: Detail | undefined; known?: PolicyToken | undefined };

const COMMA = 0x2c;

/** Reused for every comparison: a new buffer for each digest costs three times as much as the hash. */
const presented = Buffer.alloc(32);
const expected = Buffer.alloc(32);

/**
 * Checks the presented token against every token of the policy. Digests are compared in constant time and without an
 * early exit, so that the time taken reveals neither the length, a prefix nor the position of a token.
 */
export function checkToken(
  header: HeaderValue<Uint8Array>,
  policy: Policy,
  port: number,
  now: number,
): TokenVerdict {
  if (header.kind === 'absent' || (header.kind === 'one' && header.value.length === 0))
    return { kind: 'missing' };
  if (header.kind === 'several' || header.value.includes(COMMA))
    return { kind: 'invalid', detail: 'several_values' };

  presented.write(hash('sha256', header.value, 'binary'), 'latin1');
  let match: PolicyToken | undefined;
  let fault: Detail | undefined;
  let known: PolicyToken | undefined;
  for (const token of policy.tokens) {
    if (token.digest.length !== expected.length) continue;
    expected.write(token.digest, 'latin1');
    if (!timingSafeEqual(expected, presented)) continue;
    const found = faultOf(token, policy, port, now);
    if (found === undefined) match ??= token;
    else {
      fault ??= found;
      known ??= token;
    }
  }
  return match === undefined ? { kind: 'invalid', detail: fault, known } : { kind: 'match', token: match };
}

function faultOf(token: PolicyToken, policy: Policy, port: number, now: number): Detail | undefined {
  if (token.expiresAt !== undefined && token.expiresAt <= now) return 'expired';
  if (token.ports !== undefined && !token.ports.has(port)) return 'other_port';
  if (token.incarnation !== undefined && token.incarnation !== policy.incarnation) return 'other_incarnation';
  return undefined;
}
