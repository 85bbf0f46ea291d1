import { SandgateError } from '../errors.ts';
import type { Stamp } from './clock.ts';
import { type PolicyPut, sandboxIdSchema, type UnreadRecord } from './record.ts';

/** The contract of every policy store; `test/store-contract/` runs one suite over all of them. */
export interface PolicyStore {
  /** `embedded` or `files`; shown in `/readyz`. */
  readonly kind: string;

  /**
   * The stored record as plain JSON, which `compile.ts` is still to check; undefined if there is none.
   * Throws STORE_UNAVAILABLE, or POLICY_UNREADABLE if it is not even JSON.
   */
  read(sandboxId: string): Promise<UnreadRecord | undefined>;

  /**
   * Writes all or nothing, in one transaction. Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED,
   * STORE_READ_ONLY or STORE_UNAVAILABLE, and then changes nothing.
   */
  write(puts: readonly PolicyPut[]): Promise<WriteResult>;

  /** Leaves a tombstone, so that no cache brings the record back. Throws SANDBOX_UNKNOWN. */
  delete(sandboxId: string): Promise<{ sequence: number }>;

  /** Ids in ascending order, `after` exclusive. */
  list(page: { after?: string; limit: number }): Promise<UnreadRecord[]>;

  /** Calls `listener` for each change by any process. Returns the function that unsubscribes it. */
  subscribe(listener: ChangeListener): () => void;

  /** The position of the last change that was delivered to the listeners. */
  position(): StorePosition;

  /**
   * Every change before this moment has been delivered, so an earlier read with no change announced since then is as
   * good as a read at this moment. Undefined if the store cannot know this.
   */
  deliveredUntil(): Stamp | undefined;

  /** Why the store as a whole is unhealthy, or undefined if it is healthy; shown in `/readyz`. */
  fault(): string | undefined;

  /** What cannot be used while every other record can; undefined if there is none, or if only a read would tell. */
  unusable(): UnusableRecords | undefined;

  close(): Promise<void>;
}

/** Records that cannot be used. `named` holds at most 100 of `count`; no reason contains a value of the record. */
export interface UnusableRecords {
  /** What `count` counts. */
  kind: 'files';
  count: number;
  named: readonly { name: string; reason: string }[];
}

/** The part of a store that a cache needs. */
export type PolicySource = Pick<PolicyStore, 'read' | 'subscribe' | 'position' | 'deliveredUntil'>;

/** `changed`: these ids changed. `reset`: anything may have changed (a new epoch, or the store was restored). */
export type Change =
  | { kind: 'changed'; sandboxIds: readonly string[]; position: StorePosition }
  | { kind: 'reset'; position: StorePosition };

export type ChangeListener = (change: Change) => void;

/** `epoch` is random, and new when the store is created; `sequence` grows by one with each write. */
export interface StorePosition {
  epoch: string;
  sequence: number;
}

export interface WriteResult {
  records: UnreadRecord[];
  /** The number of the last write; it is in force at each gate whose position has reached it. */
  sequence: number;
}

/** An id that breaks the rules is not repeated: it may be a token in the wrong place. */
export function sandboxUnknown(sandboxId: string): SandgateError {
  const isId = sandboxIdSchema.safeParse(sandboxId).success;
  return new SandgateError('SANDBOX_UNKNOWN', `there is no policy for ${isId ? sandboxId : 'that id'}`, {
    field: 'sandboxId',
    ...(!isId && { remedy: 'use an id of 1 to 63 of a-z, 0-9; see `sandgate policy list`' }),
  });
}
