import type { Clock } from '../clock.ts';
import { storeUnavailable, translateSqlite } from './sqlite-error.ts';
import { fileIdentity, SqliteFile } from './sqlite-file.ts';

/** Pause before a file that could not be opened is tried again: libsql frees its handle only on garbage collection. */
const REOPEN_MS = 1000;

export interface SqliteLinkOptions {
  path: string;
  clock: Clock;
  random(bytes: number): Buffer;
  /** Called when the file at the path is no longer the open one, and when another one was opened. */
  onReplaced(): void;
}

/** Keeps the file at a path open, and follows it when it is removed, restored or replaced. */
export class SqliteLink {
  readonly #options: SqliteLinkOptions;
  #file: SqliteFile;
  /** Why nothing can be read. The old file stays open then, so that its inode and its log's are not reused. */
  #lost: string | undefined;
  #retryAt = 0;
  #closed = false;

  constructor(options: SqliteLinkOptions, file: SqliteFile) {
    this.#options = options;
    this.#file = file;
  }

  /** The open file. Throws STORE_UNAVAILABLE if it is not the one at the path. */
  get file(): SqliteFile {
    if (this.#lost !== undefined) throw storeUnavailable(this.#options.path, this.#lost);
    return this.#file;
  }

  /** Checks the path first, and reopens a replaced file. Throws STORE_UNAVAILABLE. */
  follow(): SqliteFile {
    const { path } = this.#options;
    if (this.#closed) return this.file;
    const identity = fileIdentity(path);
    if (this.#lost === undefined && identity === this.#file.identity) return this.#file;
    if (this.#lost === undefined) {
      this.#lost = 'was removed or replaced';
      this.#options.onReplaced();
    }
    const log = fileIdentity(`${path}-wal`);
    if (identity === this.#file.identity && log === this.#file.walIdentity) {
      // The same file is back, with its log, so the connection is still valid.
      this.#lost = undefined;
      this.#options.onReplaced();
    } else if (identity === undefined)
      this.#lost = 'was removed: restore it, or restart to create an empty one';
    else if (log !== undefined && log === this.#file.walIdentity) {
      // SQLite would replay the old file's log into the new file.
      this.#lost = `was replaced, but ${path}-wal belongs to the old file: stop every gate and remove it`;
    } else this.#reopen();
    return this.file;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lost = 'was closed';
    this.#file.close();
  }

  #reopen(): void {
    const { path, random, clock } = this.#options;
    if (clock.monotonic() < this.#retryAt) return;
    this.#retryAt = clock.monotonic() + REOPEN_MS;
    let opened: SqliteFile;
    try {
      opened = new SqliteFile(path, random, false);
    } catch (error) {
      this.#lost = `was replaced by a file that cannot be used (${translateSqlite(error, path).code})`;
      return;
    }
    this.#file.close();
    this.#file = opened;
    this.#lost = undefined;
    this.#retryAt = 0;
    this.#options.onReplaced();
  }
}
