import type { Allow } from '../decision/decision.ts';
import type { Policy } from '../policy/policy.ts';

/** A sandbox has a few busy ports, each asked for by browsers and by programs. */
const VARIANTS = 16;

/** Most policies have one. */
interface Kept {
  key: number;
  bytes: string;
  others: Map<number, string> | undefined;
}

/**
 * Allow bytes that depend on nothing but policy, port and `html`, made once per compiled policy. They live as long as
 * the `Policy` object, so a changed policy never meets the bytes of the old one. Kept one latin1 character a byte:
 * a small Buffer takes three times the memory, and gRPC copies it in any case.
 */
export class AnswerCache {
  readonly #byPolicy = new WeakMap<Policy, Kept>();

  get(allow: Allow, html: boolean): Buffer | undefined {
    if (!isCacheable(allow)) return undefined;
    const kept = this.#byPolicy.get(allow.policy);
    if (kept === undefined) return undefined;
    const key = keyOf(allow, html);
    const bytes = kept.key === key ? kept.bytes : kept.others?.get(key);
    return bytes === undefined ? undefined : Buffer.from(bytes, 'latin1');
  }

  set(allow: Allow, html: boolean, answer: Buffer): void {
    if (!isCacheable(allow)) return;
    const key = keyOf(allow, html);
    const bytes = answer.toString('latin1');
    const kept = this.#byPolicy.get(allow.policy);
    if (kept === undefined) {
      this.#byPolicy.set(allow.policy, { key, bytes, others: undefined });
      return;
    }
    kept.others ??= new Map();
    if (kept.others.size >= VARIANTS - 1) kept.others.clear();
    kept.others.set(key, bytes);
  }
}

/** An expiring token bounds the stream by the clock, and an upstream Host goes with the Host that the client sent. */
function isCacheable(allow: Allow): boolean {
  return allow.streamMs === undefined && allow.upstreamHost === undefined;
}

function keyOf(allow: Allow, html: boolean): number {
  return allow.port * 2 + Number(html);
}
