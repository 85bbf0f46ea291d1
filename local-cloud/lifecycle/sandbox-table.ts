import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { SandgateError } from '#src/errors.js';
import { makeFolder } from '#src/folder.js';
import type { SandboxEntry } from './sandbox-entry.ts';

/** The control plane's sandboxes on disk: what the next start must end after a crash. Only one process may open it. */
export class SandboxTable {
  readonly #db: Database.Database;

  /** Throws STATE_UNUSABLE. */
  constructor(path: string) {
    try {
      makeFolder(dirname(path), 0o700);
      this.#db = new Database(path, { timeout: 2000 });
      chmodSync(path, 0o600);
      this.#db.exec('PRAGMA journal_mode = WAL');
      this.#db.exec('CREATE TABLE IF NOT EXISTS sandboxes (id TEXT PRIMARY KEY, entry TEXT NOT NULL) STRICT');
    } catch (cause) {
      throw new SandgateError('STATE_UNUSABLE', `cannot use ${path}: ${(cause as Error).message}`, {
        remedy:
          'free some space, or stop the cloud, remove the file, and start again: it holds what was running',
        cause,
      });
    }
  }

  all(): SandboxEntry[] {
    const rows = this.#db.prepare('SELECT entry FROM sandboxes').all() as { entry: string }[];
    return rows.map(({ entry }) => JSON.parse(entry) as SandboxEntry);
  }

  put(entry: SandboxEntry): void {
    this.#db
      .prepare('INSERT INTO sandboxes VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET entry = excluded.entry')
      .run(entry.sandboxId, JSON.stringify(entry));
  }

  remove(sandboxId: string): void {
    this.#db.prepare('DELETE FROM sandboxes WHERE id = ?').run(sandboxId);
  }

  close(): void {
    this.#db.close();
  }
}
