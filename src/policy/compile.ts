import { canonicalAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { explainIssue, type FieldFault, firstFault } from './field-fault.ts';
import { addressFault, type PolicyRules } from './network.ts';
import type { Policy, PolicyToken } from './policy.ts';
import { SHADOW_MAX_MS, storedSchema, storedTokenSchema } from './record.ts';
import { newerVersion } from './version.ts';

/**
 * Reads a stored record strictly. Throws POLICY_UNREADABLE if it is incomplete, has another schema or a field that
 * this version does not know, or breaks a rule: a gate that ignored a restriction it cannot read would be open.
 */
export function compilePolicy(sandboxId: string, stored: unknown, rules: PolicyRules): Policy {
  const read = storedSchema.safeParse(stored, { error: explainIssue });
  if (!read.success) throw policyUnreadable(sandboxId, firstFault(read.error));
  const { runtime, access } = read.data;
  const { route } = runtime;
  const refuse = (field: string, cause: string) => policyUnreadable(sandboxId, { field, cause });

  if (read.data.sandboxId !== sandboxId) throw refuse('sandboxId', 'is not the requested one');
  if (route === undefined) {
    if (rules.routing === 'gate') throw refuse('runtime.route', 'is missing');
  } else {
    const fault = addressFault(route.address, rules.networks);
    if (fault !== undefined) throw refuse('runtime.route.address', fault);
    if (canonicalAddress(route.address) !== route.address)
      throw refuse('runtime.route.address', 'is not canonical');
    if (route.port !== undefined && access.maskRequestHost !== undefined) {
      throw refuse('access.maskRequestHost', 'cannot go with a route that has a port');
    }
  }

  return {
    // Not the argument: it is a slice of a Host header, and would keep the whole header in memory.
    sandboxId: read.data.sandboxId,
    incarnation: runtime.incarnation,
    version: newerVersion(runtime.version, access.version),
    state: runtime.state,
    endsAt: toMilliseconds(runtime.endsAt),
    agentSelfAuthenticating: runtime.agent === 'self-authenticating',
    route: route && {
      address: route.address,
      port: route.port,
      tlsPorts: route.tlsPorts && new Set(route.tlsPorts),
    },
    allowPublicTraffic: access.allowPublicTraffic === true && rules.publicTraffic === 'allow',
    publicRefused: access.allowPublicTraffic === true && rules.publicTraffic !== 'allow',
    shadow: compileShadow(access.shadowUntil),
    tokens: compileTokens(access.tokens, new Set(access.revoked)),
    maskRequestHost: access.maskRequestHost,
    forwardToken: access.upstreamToken === 'forward',
  };
}

export function policyUnreadable(sandboxId: string, { field, cause }: FieldFault): SandgateError {
  return new SandgateError(
    'POLICY_UNREADABLE',
    `the stored policy of ${sandboxId} cannot be used: ${field} ${cause}`,
    {
      field,
      remedy: 'delete the policy and put it again, or update Sandgate if a later version wrote it',
    },
  );
}

function compileTokens(tokens: readonly unknown[], revoked: ReadonlySet<string>): PolicyToken[] {
  const compiled = tokens.flatMap((stored) => {
    const { success, data: token } = storedTokenSchema.safeParse(stored);
    if (!success || revoked.has(token.sha256)) return [];
    return [
      {
        id: token.id,
        label: token.label,
        digest: Buffer.from(token.sha256, 'hex').toString('latin1'),
        expiresAt: toMilliseconds(token.expiresAt),
        ports: token.ports && new Set(token.ports),
        incarnation: token.incarnation,
      },
    ];
  });
  // An array that grew has room for 17 elements; its copy has no spare room.
  return compiled.slice();
}

/** A put refuses a later time. One that is stored anyway bypassed the put, and must not take effect early. */
function compileShadow(shadowUntil: string | undefined): Policy['shadow'] {
  const until = toMilliseconds(shadowUntil);
  return until === undefined ? undefined : { from: until - SHADOW_MAX_MS, until };
}

function toMilliseconds(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time);
}
