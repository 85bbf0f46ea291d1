import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { SandgateError } from '../../errors.ts';
import { makeFolder } from '../../folder.ts';
import { policyUnreadable } from '../compile.ts';
import type { UnreadRecord } from '../record.ts';
import type { StorePosition } from '../store.ts';
import { notJson, parseOwnJson } from '../strict-json.ts';
import { storeCorrupt } from './sqlite-error.ts';

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), schema_version INTEGER NOT NULL,
    epoch TEXT NOT NULL, sequence INTEGER NOT NULL) STRICT;
  CREATE TABLE policies (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE changes (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL) STRICT;`;

/** A reader that is further behind flushes its cache instead. Deletes are kept here too, as tombstones. */
const CHANGES_KEPT = 10_000;
/** SQLite blocks the whole process while it waits; `whileBusy` waits longer, in between. */
const LOCK_WAIT_MS = 100;
/** WAL: readers do not wait for writers. FULL: an acknowledged write survives a power failure. */
const PRAGMAS = ['journal_mode = WAL', 'synchronous = FULL', `journal_size_limit = ${16 * 1024 * 1024}`];

/** A row, with the columns that the statements below return. */
type Row = {
  readonly [Column in
    | 'id'
    | 'record'
    | 'epoch'
    | 'sequence'
    | 'schema_version'
    | 'data_version'
    | 'name']?: unknown;
};

/** One connection to `policies.db`, and its SQL. Every call is synchronous and throws SQLite's own errors. */
export class SqliteFile {
  readonly identity: string;
  /** The identity of this file's write-ahead log. */
  readonly walIdentity: string | undefined;
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  /** `create`: create the file and its folder if absent; otherwise an absent or empty file is an error. */
  constructor(path: string, random: (bytes: number) => Buffer, create: boolean) {
    if (create) makeFile(path);
    this.identity = fileIdentity(path) ?? '';
    this.#db = new Database(path, { timeout: LOCK_WAIT_MS });
    try {
      this.#prepare(path, random, create);
    } catch (error) {
      this.close();
      throw error;
    }
    this.walIdentity = fileIdentity(`${path}-wal`);
  }

  /** Commits all or nothing, even if SQLite has already rolled back (disk full). */
  transaction<T>(work: () => T, mode: 'IMMEDIATE' | 'DEFERRED' = 'IMMEDIATE'): T {
    this.#db.exec(`BEGIN ${mode}`);
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Throws POLICY_UNREADABLE if the row is not a JSON object, or repeats a key. */
  get(id: string): UnreadRecord | undefined {
    const row = this.#get('SELECT record FROM policies WHERE id = ?', id);
    if (row === undefined) return undefined;
    const read = parseRecord(row.record);
    if ('cause' in read) throw policyUnreadable(id, { field: 'record', cause: read.cause });
    return read.record;
  }

  /** A row that is not a JSON object is listed by its id alone, so that it does not hide the others. */
  list(after: string, limit: number): UnreadRecord[] {
    const rows = this.#all('SELECT id, record FROM policies WHERE id > ? ORDER BY id LIMIT ?', after, limit);
    return rows.map((row) => {
      const read = parseRecord(row.record);
      return 'record' in read ? read.record : { sandboxId: row.id };
    });
  }

  /** Records that `id` changes in this transaction, and returns the position of the change. */
  advance(id: string): StorePosition {
    const row = this.#get('UPDATE meta SET sequence = sequence + 1 RETURNING epoch, sequence')!;
    const position = toPosition(row);
    this.#run('INSERT OR REPLACE INTO changes VALUES (?, ?)', position.sequence, id);
    this.#run('DELETE FROM changes WHERE sequence <= ?', position.sequence - CHANGES_KEPT);
    return position;
  }

  put(id: string, record: UnreadRecord): void {
    const upsert =
      'INSERT INTO policies VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record';
    this.#run(upsert, id, JSON.stringify(record));
  }

  /** False if there was no such record. */
  delete(id: string): boolean {
    return this.#run('DELETE FROM policies WHERE id = ?', id).changes > 0;
  }

  /** Changes with each commit of another connection, never with one of this connection. */
  dataVersion(): number {
    return Number(this.#get('PRAGMA data_version')!.data_version);
  }

  position(): StorePosition {
    return toPosition(this.#get('SELECT epoch, sequence FROM meta')!);
  }

  /** Ids changed after `sequence`; undefined if not all of them are still kept. */
  changesSince(sequence: number, upTo: number): string[] | undefined {
    const sql = 'SELECT id FROM changes WHERE sequence > ? AND sequence <= ?';
    const rows = upTo - sequence > CHANGES_KEPT ? [] : this.#all(sql, sequence, upTo);
    return rows.length === upTo - sequence ? rows.map((row) => String(row.id)) : undefined;
  }

  close(): void {
    // libsql keeps the file open while a statement is referenced.
    this.#statements.clear();
    this.#db.close();
  }

  #prepare(path: string, random: (bytes: number) => Buffer, create: boolean): void {
    const tables = this.#all("SELECT name FROM sqlite_master WHERE type = 'table'").map((row) => row.name);
    if (!tables.includes('meta') && (tables.length > 0 || !create))
      throw storeCorrupt(path, 'does not contain policies');
    for (const pragma of PRAGMAS) this.#all(`PRAGMA ${pragma}`);
    this.transaction(() => {
      if (this.#all("SELECT 1 FROM sqlite_master WHERE name = 'meta'").length > 0) return;
      this.#db.exec(SCHEMA);
      this.#run('INSERT INTO meta VALUES (1, ?, ?, 0)', SCHEMA_VERSION, random(8).toString('hex'));
    });
    this.#refuseOtherSchema(path);
  }

  #refuseOtherSchema(path: string): void {
    const { schema_version: found } = this.#get('SELECT schema_version FROM meta')!;
    if (found === SCHEMA_VERSION) return;
    throw new SandgateError(
      'STATE_UNUSABLE',
      `the policy store ${path} has version ${found}, not ${SCHEMA_VERSION}`,
      {
        field: path,
        remedy: 'run the version of Sandgate that wrote it, or a later one',
      },
    );
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #get(sql: string, ...values: unknown[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  #all(sql: string, ...values: unknown[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  #run(sql: string, ...values: unknown[]): Database.RunResult {
    return this.#statement(sql).run(...values);
  }
}

/** Identifies the file at a path, whatever it contains; undefined if there is none. */
export function fileIdentity(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

/** SQLite gives the log and shared memory the mode of the file, so it is enough to set that. */
function makeFile(path: string): void {
  makeFolder(dirname(path), 0o700);
  try {
    // Must not open an existing file: closing it would drop the locks that this process holds on it.
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  }
}

/** The record, or why it is none, as the end of a sentence. */
function parseRecord(text: unknown): { record: UnreadRecord } | { cause: string } {
  const read = parseOwnJson(String(text));
  if ('fault' in read) return { cause: notJson(read.fault) };
  const { value } = read;
  if (typeof value === 'object' && value !== null) return { record: value };
  return { cause: 'is not a JSON object' };
}

function toPosition(row: Row): StorePosition {
  return { epoch: String(row.epoch), sequence: Number(row.sequence) };
}
