import { createHash } from 'node:crypto';
import { setImmediate as yieldToGate } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import type { Clock } from '../policy/clock.ts';
import type { PolicyRules } from '../policy/network.ts';
import { parsePut } from '../policy/put.ts';
import { type PolicyPut, type UnreadRecord, unreadPart } from '../policy/record.ts';
import { type PolicyStore, sandboxUnknown } from '../policy/store.ts';
import { type Access, changeAccess, readAccess } from './access-change.ts';
import type { InForceAt, ListPage, ListRequest, PolicyAdmin, Written } from './policy-admin.ts';
import {
  LIST_MAX,
  listSchema,
  mintSchema,
  readRequest,
  requestInvalid,
  rotateSchema,
  tokenIdSchema,
  writeSchema,
} from './schemas.ts';
import { mint, type NewToken, revoke, rotate, tokenInfo } from './token-edits.ts';

export interface StoreAdminOptions {
  store: PolicyStore;
  rules: PolicyRules;
  clock: Clock;
  /** `randomBytes` of `node:crypto`. */
  random(bytes: number): Buffer;
  /** Waits up to 2 s until the live gates have the change (`state/in-force.ts`). */
  inForce(sequence: number): Promise<{ gates: number; behind: readonly unknown[] }>;
}

/** The operations directly on a store, for a gate's policy API and for commands if no gate runs. */
export function createStoreAdmin(options: StoreAdminOptions): PolicyAdmin {
  const { store, rules, clock, random } = options;

  const inForceAt = async (sequence: number): Promise<InForceAt> => {
    const { gates, behind } = await options.inForce(sequence);
    return { sequence, gates, inForce: gates > 0 && behind.length === 0 };
  };
  const write = async (puts: readonly PolicyPut[]): Promise<Written> => {
    const { records, sequence } = await store.write(puts);
    return { records, ...(await inForceAt(sequence)) };
  };
  const get = async (sandboxId: string): Promise<UnreadRecord> => {
    const record = await store.read(sandboxId);
    if (record === undefined) throw sandboxUnknown(sandboxId);
    return record;
  };
  /** Compare-and-set of the access part. */
  const change = async <Edited extends { access: Access }>(
    sandboxId: string,
    edit: (access: Access) => Edited,
  ) => {
    const { edited, sequence } = await changeAccess({ store, random, get }, sandboxId, edit);
    return { edited, force: await inForceAt(sequence) };
  };
  const newToken = (id: string | undefined): { token: string; made: NewToken } => {
    const token = random(32).toString('hex');
    const sha256 = createHash('sha256').update(token).digest('hex');
    return { token, made: { id: id ?? `t-${random(4).toString('hex')}`, sha256, now: clock.now() } };
  };

  return {
    get,
    list: async (page) => listRecords(store, readRequest(listSchema, page, 'query')),
    async put(records, { create = false } = {}) {
      const inputs = readRequest(writeSchema, records, 'records');
      const puts = inputs.map((input, index) => inArray(inputs.length, index, () => parsePut(input, rules)));
      return write(create ? puts.map((put) => ({ ...put, create })) : puts);
    },
    async putPart(sandboxId, part, input, expected) {
      const version = expected === undefined ? {} : { version: expected };
      const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
      // An absent part would make an empty put.
      const given = isObject ? { ...input, ...version } : (input ?? null);
      return write([parsePut({ sandboxId, [part]: given }, rules)]);
    },
    async delete(sandboxId) {
      return inForceAt((await store.delete(sandboxId)).sequence);
    },
    async listTokens(sandboxId) {
      return readAccess(await get(sandboxId), sandboxId).tokens.map(tokenInfo);
    },
    async mintToken(sandboxId, given) {
      const request = readRequest(mintSchema, given, 'body');
      if (request.expiresAt !== undefined && Date.parse(request.expiresAt) <= clock.now()) {
        throw requestInvalid('expiresAt', 'must be in the future');
      }
      const { token, made } = newToken(request.id);
      const { edited, force } = await change(sandboxId, (access) => mint(access, made, request));
      return { token, info: tokenInfo(edited.token), ...force };
    },
    async revokeToken(sandboxId, tokenId) {
      readRequest(tokenIdSchema, tokenId, 'tokenId');
      const { edited, force } = await change(sandboxId, (access) => revoke(access, tokenId));
      return { revoked: tokenInfo(edited.token), ...force };
    },
    async rotateToken(sandboxId, tokenId, given) {
      readRequest(tokenIdSchema, tokenId, 'tokenId');
      const { overlapSeconds, id } = readRequest(rotateSchema, given, 'body');
      const { token, made } = newToken(id);
      const edit = (access: Access) => rotate(access, tokenId, made, overlapSeconds);
      const { edited, force } = await change(sandboxId, edit);
      const { previous } = edited;
      return {
        token,
        info: tokenInfo(edited.token),
        ...(previous && { previous: tokenInfo(previous) }),
        ...force,
      };
    },
  };
}

/** Adds the element's index to a fault inside an array. */
function inArray<T>(count: number, index: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (count === 1 || !(error instanceof SandgateError)) throw error;
    const field = `[${index}].${error.field ?? ''}`;
    throw new SandgateError(error.code, `[${index}].${error.message}`, { field, cause: error });
  }
}

/** A page under a filter ends after this many records, however few match, so that the gate can answer Envoy. */
const SCANNED_MAX = 10 * LIST_MAX;

/** One page. With a filter it may be short or empty and still have a `next`. */
async function listRecords(store: PolicyStore, request: ListRequest): Promise<ListPage> {
  const { limit, state, idPrefix = '' } = request;
  const batch = state === undefined ? limit + 1 : LIST_MAX;
  const records: UnreadRecord[] = [];
  let cursor = laterOf(request.after, before(idPrefix));
  for (let scanned = 0; ; scanned += batch) {
    const found = await store.list({ ...(cursor !== undefined && { after: cursor }), limit: batch });
    for (const record of found) {
      const id = String(record.sandboxId);
      if (!id.startsWith(idPrefix)) return { records };
      if (records.length === limit) return { records, next: cursor! };
      cursor = id;
      if (state === undefined || unreadPart(record, 'runtime').state === state) records.push(record);
    }
    if (found.length < batch) return { records };
    if (scanned + batch >= SCANNED_MAX) return { records, next: cursor! };
    await yieldToGate();
  }
}

/** A cursor just before every id with this prefix: ids are a-z and 0-9, which all sort before `~`. */
function before(prefix: string): string | undefined {
  if (prefix === '') return undefined;
  const last = prefix.charCodeAt(prefix.length - 1);
  return `${prefix.slice(0, -1)}${String.fromCharCode(last - 1)}~`;
}

function laterOf(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
