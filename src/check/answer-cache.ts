import type { Allow } from '../decision/decision.ts';
import type { Policy } from '../policy/policy.ts';

/** A sandbox has a few busy ports, each asked for by browsers and by programs. */
const VARIANTS = 16;

/**
 * Allow bytes that depend on nothing but policy, port and `html`, made once per compiled policy. They live as long as
 * the `Policy` object, so a changed policy never meets the bytes of the old one.
 */
export class AnswerCache {
  readonly #byPolicy = new WeakMap<Policy, Map<number, Buffer>>();

  get(allow: Allow, html: boolean): Buffer | undefined {
    return isCacheable(allow) ? this.#byPolicy.get(allow.policy)?.get(keyOf(allow, html)) : undefined;
  }

  set(allow: Allow, html: boolean, bytes: Buffer): void {
    if (!isCacheable(allow)) return;
    const variants = this.#byPolicy.get(allow.policy) ?? new Map<number, Buffer>();
    this.#byPolicy.set(allow.policy, variants);
    if (variants.size >= VARIANTS) variants.clear();
    variants.set(keyOf(allow, html), bytes);
  }
}

/** An expiring token bounds the stream by the clock, and an upstream Host goes with the Host that the client sent. */
function isCacheable(allow: Allow): boolean {
  return allow.streamMs === undefined && allow.upstreamHost === undefined;
}

function keyOf(allow: Allow, html: boolean): number {
  return allow.port * 2 + Number(html);
}
