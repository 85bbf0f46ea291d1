import type { Clock } from '../clock.ts';
import { storeUnavailable, translateSqlite } from './sqlite-error.ts';
import { fileIdentity, SqliteFile } from './sqlite-file.ts';

/** A file that cannot be opened is tried again this often: libsql gives its handle back only with the garbage. */
const REOPEN_MS = 1000;

export interface SqliteLinkOptions {
  path: string;
  clock: Clock;
  random(bytes: number): Buffer;
  /** The file at the path is no longer the one that was open, or another one was opened. */
  onReplaced(): void;
}

/** Keeps the open file the one that stands at its path, through removal, restore and replacement. */
export class SqliteLink {
  readonly #options: SqliteLinkOptions;
  #file: SqliteFile;
  /** Why nothing can be read. The old file stays open then, so that its inode and its log's are not given anew. */
  #lost: string | undefined;
  #retryAt = 0;
  #closed = false;

  constructor(options: SqliteLinkOptions, file: SqliteFile) {
    this.#options = options;
    this.#file = file;
  }

  /** Throws STORE_UNAVAILABLE while there is none. */
  get file(): SqliteFile {
    if (this.#lost !== undefined) throw storeUnavailable(this.#options.path, this.#lost);
    return this.#file;
  }

  /** As `file`, after a look at the path. */
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
      // The very file is back, and so is its log: the connection was never anything else's.
      this.#lost = undefined;
      this.#options.onReplaced();
    } else if (identity === undefined)
      this.#lost = 'was removed; restore it, or restart to begin an empty one';
    else if (log !== undefined && log === this.#file.walIdentity) {
      // SQLite would replay the old file's log into the new file.
      this.#lost = `was replaced, but ${path}-wal is of the old file: stop every gate and remove it`;
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
