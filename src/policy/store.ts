import type { Stamp } from './clock.ts';
import type { PolicyPut, UnreadRecord } from './record.ts';

/** What every policy store promises; `test/store-contract/` runs one suite over all of them. */
export interface PolicyStore {
  /** `embedded`, `files`; shown in `/readyz`. */
  readonly kind: string;

  /**
   * The stored record as plain JSON, not yet judged (`compile.ts` does), or undefined when there is none.
   * Throws STORE_UNAVAILABLE, or POLICY_UNREADABLE where even the JSON is broken.
   */
  read(sandboxId: string): Promise<UnreadRecord | undefined>;

  /**
   * Writes all or nothing, in one transaction. Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED,
   * STORE_READ_ONLY or STORE_UNAVAILABLE; then nothing has changed.
   */
  write(puts: readonly PolicyPut[]): Promise<WriteResult>;

  /** Throws SANDBOX_UNKNOWN where there is none. Leaves a tombstone, so that no cache brings the record back. */
  delete(sandboxId: string): Promise<{ sequence: number }>;

  /** Ids in ascending order, `after` exclusive. */
  list(page: { after?: string; limit: number }): Promise<UnreadRecord[]>;

  /** Calls back for each change that any process made; returns the way to stop. */
  subscribe(listener: ChangeListener): () => void;

  /** What the subscription has delivered so far. */
  position(): StorePosition;

  /**
   * Every change made before this moment has been delivered, so what was read earlier and not announced since is as
   * good as read then. Undefined where the store cannot know that.
   */
  deliveredUntil(): Stamp | undefined;

  /** Undefined when well, else why not; shown in `/readyz`. */
  fault(): string | undefined;

  close(): Promise<void>;
}

/** What a cache needs of a store. */
export type PolicySource = Pick<PolicyStore, 'read' | 'subscribe' | 'position' | 'deliveredUntil'>;

/** A change of the store: these ids changed, or (`reset`: new epoch, restored, replaced) anything may have. */
export type Change =
  | { kind: 'changed'; sandboxIds: readonly string[]; position: StorePosition }
  | { kind: 'reset'; position: StorePosition };

export type ChangeListener = (change: Change) => void;

/** `epoch` is random per life of the store; `sequence` grows by one with each write within it. */
export interface StorePosition {
  epoch: string;
  sequence: number;
}

export interface WriteResult {
  records: UnreadRecord[];
  /** Of the last write; a gate whose position is at or past it has the change in force. */
  sequence: number;
}
