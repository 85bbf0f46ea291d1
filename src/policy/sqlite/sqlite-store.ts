import { ChangeFeed } from '../change-feed.ts';
import { type Clock, type Stamp, stampOf } from '../clock.ts';
import { mergePut } from '../merge.ts';
import type { PolicyRules } from '../network.ts';
import type { PolicyPut, UnreadRecord } from '../record.ts';
import {
  type ChangeListener,
  type PolicyStore,
  type StorePosition,
  sandboxUnknown,
  type WriteResult,
} from '../store.ts';
import { formatVersion } from '../version.ts';
import { translateOpening, translateSqlite, whileBusy } from './sqlite-error.ts';
import { SqliteFile } from './sqlite-file.ts';
import { SqliteLink } from './sqlite-link.ts';

export interface SqliteStoreOptions {
  /** The database file; created if absent, with its folder. Its `-wal` and `-shm` belong to it. */
  path: string;
  routing: PolicyRules['routing'];
  /** Default true. False: an absent or empty file is an error. */
  create?: boolean;
  clock: Clock;
  /** `randomBytes` of `node:crypto`. */
  random(bytes: number): Buffer;
  /** Milliseconds between two polls for changes by other processes; default 50. */
  pollMs?: number;
}

/** The changes of one transaction, in order. */
interface Changes {
  ids: string[];
  positions: StorePosition[];
}

const POLL_MS = 50;

/**
 * The embedded store: one SQLite file, used by any number of processes on one machine. An acknowledged write survives
 * `kill -9` and a power failure; a write by another process is announced within one poll; a file that was replaced
 * or restored is announced as `reset`. To restore a backup, either stop every gate, or move `-wal` and `-shm` away and
 * rename the backup into place; while the log of the old file exists, nothing is read.
 *
 * Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<PolicyStore> {
  const file = await whileBusy(
    () => new SqliteFile(options.path, options.random, options.create ?? true),
  ).catch((error) => {
    throw translateOpening(error, options.path);
  });
  return new SqliteStore(options, file);
}

class SqliteStore implements PolicyStore {
  readonly kind = 'embedded';
  readonly #options: SqliteStoreOptions;
  readonly #link: SqliteLink;
  readonly #feed: ChangeFeed;
  readonly #timer: NodeJS.Timeout;
  #dataVersion: number;
  #deliveredUntil: Stamp | undefined;
  #fault: string | undefined;

  constructor(options: SqliteStoreOptions, file: SqliteFile) {
    const { path, clock, random, pollMs = POLL_MS } = options;
    this.#options = options;
    this.#link = new SqliteLink({ path, clock, random, onReplaced: () => this.#resetAll() }, file);
    this.#dataVersion = file.dataVersion();
    this.#feed = new ChangeFeed(file.position());
    this.#timer = setInterval(() => this.#poll(), pollMs).unref();
  }

  async read(sandboxId: string): Promise<UnreadRecord | undefined> {
    return this.#translated(() => this.#link.file.get(sandboxId));
  }

  async list(page: { after?: string; limit: number }): Promise<UnreadRecord[]> {
    return this.#translated(() => this.#link.file.list(page.after ?? '', page.limit));
  }

  async write(puts: readonly PolicyPut[]): Promise<WriteResult> {
    const { routing, clock, random } = this.#options;
    const mintIncarnation = () => random(8).toString('hex');
    return this.#change((file) => {
      const changes: Changes = { ids: [], positions: [] };
      const records = puts.map((put) => {
        const position = file.advance(put.sandboxId);
        const context = { routing, now: clock.now(), version: formatVersion(position), mintIncarnation };
        const record = mergePut(file.get(put.sandboxId), put, context);
        file.put(put.sandboxId, record);
        changes.ids.push(put.sandboxId);
        changes.positions.push(position);
        return record;
      });
      return {
        changes,
        result: { records, sequence: (changes.positions.at(-1) ?? this.position()).sequence },
      };
    });
  }

  async delete(sandboxId: string): Promise<{ sequence: number }> {
    return this.#change((file) => {
      if (!file.delete(sandboxId)) throw sandboxUnknown(sandboxId);
      const position = file.advance(sandboxId);
      return {
        changes: { ids: [sandboxId], positions: [position] },
        result: { sequence: position.sequence },
      };
    });
  }

  subscribe(listener: ChangeListener): () => void {
    return this.#feed.subscribe(listener);
  }

  position(): StorePosition {
    return this.#feed.position;
  }

  deliveredUntil(): Stamp | undefined {
    return this.#deliveredUntil;
  }

  unusable(): undefined {
    return undefined;
  }

  fault(): string | undefined {
    return this.#fault;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#link.close();
  }

  #translated<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw translateSqlite(error, this.#options.path);
    }
  }

  async #change<T>(work: (file: SqliteFile) => { changes: Changes; result: T }): Promise<T> {
    const attempt = () => {
      const file = this.#link.follow();
      const { changes, result } = file.transaction(() => work(file));
      this.#announce(changes);
      return result;
    };
    return whileBusy(attempt).catch((error) => {
      throw translateSqlite(error, this.#options.path);
    });
  }

  /** `data_version` does not change with this connection's own commits, so they are announced here. */
  #announce({ ids, positions }: Changes): void {
    const [first, last] = [positions[0], positions.at(-1)];
    if (first === undefined || last === undefined) return;
    const { epoch, sequence } = this.#feed.position;
    if (first.epoch === epoch && first.sequence === sequence + 1) this.#feed.changed(ids, last);
    else this.#poll(true);
  }

  /** Never throws: if a poll fails, the cache's maximum age still bounds how stale a policy can be. */
  #poll(behind = false): void {
    const moment = stampOf(this.#options.clock);
    try {
      const file = this.#link.follow();
      if (behind || file.dataVersion() !== this.#dataVersion) this.#deliver(file);
      this.#deliveredUntil = moment;
      this.#fault = undefined;
    } catch (error) {
      this.#fault = translateSqlite(error, this.#options.path).message;
    }
  }

  #deliver(file: SqliteFile): void {
    const delivered = this.#feed.position;
    // In one snapshot, or a commit in between would look like a change without a number.
    const seen = file.transaction(() => {
      const position = file.position();
      const forward = position.epoch === delivered.epoch && position.sequence > delivered.sequence;
      const ids = forward ? file.changesSince(delivered.sequence, position.sequence) : undefined;
      return { position, ids, dataVersion: file.dataVersion() };
    }, 'DEFERRED');
    this.#dataVersion = seen.dataVersion;
    // The file was restored, or edited by hand without a new number, so anything may have changed.
    if (seen.ids === undefined) this.#feed.reset(seen.position);
    else this.#feed.changed(seen.ids, seen.position);
  }

  #resetAll(): void {
    try {
      const { file } = this.#link;
      this.#dataVersion = file.dataVersion();
      this.#feed.reset(file.position());
    } catch {
      // There is no file now; cached policies must go anyway.
      this.#feed.reset(this.#feed.position);
    }
  }
}
