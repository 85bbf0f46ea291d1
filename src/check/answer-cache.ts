import type { Allow } from '../decision/decision.ts';
import type { Policy } from '../policy/policy.ts';

/** Answers kept per policy: a sandbox has a few busy ports, and each has an answer for browsers and one for programs. */
const VARIANTS = 16;

/** The answers of one policy. Most policies have one answer, which needs no map. */
interface Kept {
  key: number;
  bytes: string;
  others: Map<number, string> | undefined;
}

/**
 * Caches the bytes of allows that depend on policy, port, `html` and the source of the target alone. They live as long as the compiled `Policy`
 * object, so a changed policy is never answered with old bytes. They are kept as latin1 strings, one character per
 * byte: a small Buffer takes three times the memory, and gRPC copies it anyway.
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

/**
 * The bound of an expiring token depends on the clock, and an upstream Host comes with the client's own. Routes to node
 * proxies always have one, so their answers, with the node proxy key, are never kept.
 */
function isCacheable(allow: Allow): boolean {
  return allow.streamMs === undefined && allow.upstreamHost === undefined;
}

function keyOf(allow: Allow, html: boolean): number {
  return allow.port * 4 + Number(html) * 2 + Number(allow.targetFrom === 'headers');
}
