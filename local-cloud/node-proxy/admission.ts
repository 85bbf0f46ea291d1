import type { Domains } from '#src/target/domains.js';
import { NODE_PROXY_KEY_HEADER } from '#src/target/headers.js';
import { resolveTarget } from '#src/target/resolve.js';
import type { Target } from '#src/target/target.js';
import { createKeyTest } from '../credentials.ts';

/** Why a request is refused, for the log. */
export type RefusalReason = 'key_missing' | 'key_repeated' | 'key_wrong' | 'host_invalid';

export type Admission = { kind: 'admitted'; target: Target } | { kind: 'refused'; reason: RefusalReason };

const ABSENT = { kind: 'absent' } as const;

/**
 * Admits only what has passed a gate: other programs of this machine, and web pages whose name resolves to 127.0.0.1,
 * reach this port too. Host must be one that the gate could have written.
 */
export function createAdmission(
  key: string,
  domains: Domains,
): (request: { readonly rawHeaders: readonly string[] }) => Admission {
  const isKey = createKeyTest(key);
  const rules = { domains, headerRouting: false };
  return ({ rawHeaders }) => {
    const keys = valuesOf(rawHeaders, NODE_PROXY_KEY_HEADER);
    const [presented] = keys;
    if (presented === undefined) return refused('key_missing');
    if (keys.length > 1) return refused('key_repeated');
    if (!isKey(presented)) return refused('key_wrong');
    const [host, ...more] = valuesOf(rawHeaders, 'host');
    if (host === undefined || more.length > 0) return refused('host_invalid');
    const resolved = resolveTarget(host, ABSENT, ABSENT, rules);
    return resolved.kind === 'error'
      ? refused('host_invalid')
      : { kind: 'admitted', target: resolved.target };
  };
}

function refused(reason: RefusalReason): Admission {
  return { kind: 'refused', reason };
}

/** Each line separately, because node:http joins or drops repeated ones. */
function valuesOf(raw: readonly string[], name: string): string[] {
  return raw.filter((_, n) => n % 2 === 1 && raw[n - 1]!.toLowerCase() === name);
}
