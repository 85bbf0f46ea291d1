import { SandgateError } from '../errors.ts';
import { policyUnreadable } from './compile.ts';
import { firstFault } from './field-fault.ts';
import type { PolicyRules } from './network.ts';
import { policyInvalid, refuseMaskedNodeProxy } from './put.ts';
import { type AccessPut, type RuntimePut, revokedSchema, SHADOW_MAX_MS } from './record.ts';
import type { PolicyPut, StoredRecord } from './store.ts';
import { recordVersion } from './version.ts';

/** What a store brings to a put. */
export interface MergeContext {
  routing: PolicyRules['routing'];
  /** Milliseconds since 1970. */
  now: number;
  /** Of the parts that this put writes. */
  version: string;
  mintIncarnation(): string;
}

type Part = Record<string, unknown>;

/**
 * The record that a put makes of the stored one. Parts that the put does not have stay, versions included.
 * Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED, or POLICY_UNREADABLE where what is stored cannot be built on.
 */
export function mergePut(
  stored: StoredRecord | undefined,
  put: PolicyPut,
  context: MergeContext,
): StoredRecord {
  const { sandboxId } = put;
  if (put.create && stored !== undefined) throw alreadyThere(stored, sandboxId);
  if (stored !== undefined && stored.schema !== 1) {
    throw policyUnreadable(sandboxId, { field: 'schema', cause: 'is not 1' });
  }
  const old = {
    runtime: storedPart(stored, 'runtime', sandboxId),
    access: storedPart(stored, 'access', sandboxId),
  };
  expectVersion('runtime', put.runtime, old.runtime, sandboxId);
  expectVersion('access', put.access, old.access, sandboxId);

  const runtime = mergeRuntime(old.runtime, put.runtime as RuntimePut | undefined, context);
  const access = mergeAccess(old.access, put.access as AccessPut | undefined, context, sandboxId);
  refuseMaskedNodeProxy(runtime, access);
  return { schema: 1, sandboxId, runtime, access };
}

function mergeRuntime(old: Part | undefined, put: RuntimePut | undefined, context: MergeContext): Part {
  if (put === undefined && old !== undefined) return old;
  if (put === undefined && context.routing === 'gate') throw policyInvalid('runtime.route', 'is missing');
  const incarnation = put?.incarnation ?? old?.incarnation ?? context.mintIncarnation();
  return { state: 'running', ...put, incarnation, version: context.version };
}

function mergeAccess(
  old: Part | undefined,
  put: AccessPut | undefined,
  context: MergeContext,
  sandboxId: string,
): Part {
  if (put === undefined && old !== undefined) return old;
  const given = put ?? {
    allowPublicTraffic: false,
    tokens: [],
    revoked: [],
    upstreamToken: 'strip' as const,
  };
  refuseLongShadow(given.shadowUntil, old?.shadowUntil, context.now);

  const oldRevoked = revokedSchema.safeParse(old?.revoked ?? []);
  if (!oldRevoked.success)
    throw policyUnreadable(sandboxId, { field: 'access.revoked', cause: 'is not a list of digests' });
  const revoked = revokedSchema.safeParse([...new Set([...oldRevoked.data, ...given.revoked])]);
  if (!revoked.success) throw policyInvalid('access.revoked', firstFault(revoked.error).cause);

  const oldTokens = Array.isArray(old?.tokens) ? (old.tokens as AccessPut['tokens']) : [];
  const tokens = given.tokens.map((token, index) => {
    if (revoked.data.includes(token.sha256)) throw tokenRevoked(sandboxId, `access.tokens[${index}]`);
    const known = oldTokens.find((other) => other.id === token.id && other.sha256 === token.sha256);
    return {
      ...token,
      createdAt: token.createdAt ?? known?.createdAt ?? new Date(context.now).toISOString(),
    };
  });
  return { ...given, tokens, revoked: revoked.data, version: context.version };
}

/** One that stays as it was is not judged again: with the clock set back, nothing of the part could be changed, or revoked. */
function refuseLongShadow(given: string | undefined, old: unknown, now: number): void {
  if (given === undefined || given === old || Date.parse(given) <= now + SHADOW_MAX_MS) return;
  throw policyInvalid('access.shadowUntil', 'must be at most 7 days ahead');
}

function storedPart(
  stored: StoredRecord | undefined,
  name: 'runtime' | 'access',
  sandboxId: string,
): Part | undefined {
  const part = stored?.[name];
  if (stored !== undefined && (typeof part !== 'object' || part === null)) {
    throw policyUnreadable(sandboxId, { field: name, cause: 'is missing' });
  }
  return part as Part | undefined;
}

function expectVersion(name: string, put: Part | undefined, old: Part | undefined, sandboxId: string): void {
  if (put?.version === undefined || put.version === old?.version) return;
  const current = old === undefined ? 'there is no policy now' : `its version is now ${String(old.version)}`;
  throw new SandgateError('VERSION_CONFLICT', `The ${name} part of ${sandboxId} was changed: ${current}.`, {
    field: `${name}.version`,
    currentVersion: old && String(old.version),
    remedy: 'Get the policy again, apply the change to it, and put that.',
  });
}

function alreadyThere(stored: StoredRecord, sandboxId: string): SandgateError {
  return new SandgateError('VERSION_CONFLICT', `There is a policy for ${sandboxId} already.`, {
    field: 'sandboxId',
    currentVersion: recordVersion(stored),
    remedy: 'Put it without asking for a new one, or delete it first.',
  });
}

function tokenRevoked(sandboxId: string, field: string): SandgateError {
  return new SandgateError('TOKEN_REVOKED', `${field} of ${sandboxId} was revoked and cannot come back.`, {
    field,
    remedy: 'Mint another token, or leave this one out of the put.',
  });
}
