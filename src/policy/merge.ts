import { z } from 'zod';
import { SandgateError } from '../errors.ts';
import { policyUnreadable } from './compile.ts';
import { firstFault } from './field-fault.ts';
import type { PolicyRules } from './network.ts';
import { policyInvalid, refuseMaskedNodeProxy } from './put.ts';
import {
  type AccessPut,
  type PartName,
  type PolicyPut,
  type RuntimePut,
  SHADOW_MAX_MS,
  type StoredAccess,
  type StoredRecord,
  type StoredRuntime,
  type StoredToken,
  storedSchema,
  storedTokenSchema,
  type Unread,
  type UnreadRecord,
} from './record.ts';
import { recordVersion } from './version.ts';

/** What a store adds to a put. */
export interface MergeContext {
  routing: PolicyRules['routing'];
  /** Milliseconds since 1970. */
  now: number;
  /** The new version of the parts that this put writes. */
  version: string;
  mintIncarnation(): string;
}

/**
 * The record after a put. A part that the put leaves out stays as stored, version included, and is not read: this is
 * why the result is as unread as the stored record. Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED, or
 * POLICY_UNREADABLE if a stored field that the new part depends on cannot be read.
 */
export function mergePut(
  stored: UnreadRecord | undefined,
  put: PolicyPut,
  context: MergeContext,
): UnreadRecord {
  if (stored === undefined) return newRecord(put, context);
  const { sandboxId } = put;
  if (put.create) throw alreadyExists(stored, sandboxId);
  if (stored.schema !== 1) throw policyUnreadable(sandboxId, { field: 'schema', cause: 'is not 1' });
  const old: { runtime: Unread<StoredRuntime>; access: Unread<StoredAccess> } = {
    runtime: requirePart(stored, 'runtime', sandboxId),
    access: requirePart(stored, 'access', sandboxId),
  };
  expectVersion('runtime', put.runtime, old.runtime, sandboxId);
  expectVersion('access', put.access, old.access, sandboxId);

  const runtime = put.runtime ? mergeRuntime(old.runtime, put.runtime, context, sandboxId) : old.runtime;
  const access = put.access ? mergeAccess(old.access, put.access, context, sandboxId) : old.access;
  refuseMaskedNodeProxy(runtime, access);
  return { schema: 1, sandboxId, runtime, access };
}

/** The first record of an id, complete. Throws POLICY_INVALID, TOKEN_REVOKED, or VERSION_CONFLICT. */
export function newRecord(put: PolicyPut, context: MergeContext): StoredRecord {
  const { sandboxId } = put;
  expectVersion('runtime', put.runtime, undefined, sandboxId);
  expectVersion('access', put.access, undefined, sandboxId);
  if (put.runtime === undefined && context.routing === 'gate')
    throw policyInvalid('runtime.route', 'is missing');
  const runtime = mergeRuntime({}, put.runtime ?? { state: 'running' }, context, sandboxId);
  const access = mergeAccess({}, put.access ?? CLOSED, context, sandboxId);
  refuseMaskedNodeProxy(runtime, access);
  return { schema: 1, sandboxId, runtime, access };
}

/** The access part of a first put that has none. */
const CLOSED: AccessPut = { allowPublicTraffic: false, tokens: [], revoked: [], upstreamToken: 'strip' };

function mergeRuntime(
  old: Unread<StoredRuntime>,
  put: RuntimePut,
  context: MergeContext,
  sandboxId: string,
): StoredRuntime {
  const incarnation = put.incarnation ?? readIncarnation(old, sandboxId) ?? context.mintIncarnation();
  const { state, ...rest } = put;
  return { state, ...rest, incarnation, version: context.version };
}

function readIncarnation(old: Unread<StoredRuntime>, sandboxId: string): string | undefined {
  if (old.incarnation === undefined) return undefined;
  const read = storedSchema.shape.runtime.shape.incarnation.safeParse(old.incarnation);
  if (read.success) return read.data;
  throw policyUnreadable(sandboxId, { field: 'runtime.incarnation', cause: firstFault(read.error).cause });
}

function mergeAccess(
  old: Unread<StoredAccess>,
  put: AccessPut,
  context: MergeContext,
  sandboxId: string,
): Omit<StoredAccess, 'tokens'> & { tokens: StoredToken[] } {
  refuseLongShadow(put.shadowUntil, old.shadowUntil, context.now);

  const revokedSchema = storedSchema.shape.access.shape.revoked;
  const oldRevoked = revokedSchema.safeParse(old.revoked ?? []);
  if (!oldRevoked.success)
    throw policyUnreadable(sandboxId, { field: 'access.revoked', cause: 'is not a list of digests' });
  const revoked = revokedSchema.safeParse([...new Set([...oldRevoked.data, ...put.revoked])]);
  if (!revoked.success) throw policyInvalid('access.revoked', firstFault(revoked.error).cause);

  const oldTokens = readKnownTokens(old.tokens);
  const tokens = put.tokens.map((token, index) => {
    if (revoked.data.includes(token.sha256)) throw tokenRevoked(sandboxId, `access.tokens[${index}]`);
    const known = oldTokens.find((other) => other.id === token.id && other.sha256 === token.sha256);
    return {
      ...token,
      createdAt: token.createdAt ?? known?.createdAt ?? new Date(context.now).toISOString(),
    };
  });
  return { ...put, tokens, revoked: revoked.data, version: context.version };
}

/** As much of a stored token as decides whether a put lists it again; other fields may be of a later version. */
const knownTokenSchema = z.object(storedTokenSchema.pick({ id: true, sha256: true, createdAt: true }).shape);

function readKnownTokens(tokens: unknown): z.infer<typeof knownTokenSchema>[] {
  if (!Array.isArray(tokens)) return [];
  return tokens.flatMap((token: unknown) => knownTokenSchema.safeParse(token).data ?? []);
}

/** A time that stays as it was is not checked again: after the clock is set back, no token could be revoked otherwise. */
function refuseLongShadow(given: string | undefined, old: unknown, now: number): void {
  if (given === undefined || given === old || Date.parse(given) <= now + SHADOW_MAX_MS) return;
  throw policyInvalid('access.shadowUntil', 'must be at most 7 days ahead');
}

function requirePart(stored: UnreadRecord, name: PartName, sandboxId: string): object {
  const part = stored[name];
  if (typeof part === 'object' && part !== null) return part;
  throw policyUnreadable(sandboxId, { field: name, cause: 'is missing' });
}

function expectVersion(
  name: PartName,
  put: RuntimePut | AccessPut | undefined,
  old: Unread<{ version: string }> | undefined,
  sandboxId: string,
): void {
  if (put?.version === undefined || put.version === old?.version) return;
  const current = old === undefined ? 'there is no policy now' : `its version is now ${String(old.version)}`;
  throw new SandgateError('VERSION_CONFLICT', `the ${name} part of ${sandboxId} was changed: ${current}`, {
    field: `${name}.version`,
    currentVersion: old && String(old.version),
    remedy: 'get the policy again, apply the change to it, and put the result',
  });
}

function alreadyExists(stored: UnreadRecord, sandboxId: string): SandgateError {
  return new SandgateError('VERSION_CONFLICT', `there is already a policy for ${sandboxId}`, {
    field: 'sandboxId',
    currentVersion: recordVersion(stored),
    remedy: 'put it without `create`, or delete it first',
  });
}

function tokenRevoked(sandboxId: string, field: string): SandgateError {
  return new SandgateError('TOKEN_REVOKED', `${field} of ${sandboxId} was revoked and cannot come back`, {
    field,
    remedy: 'mint another token, or leave this one out of the put',
  });
}
