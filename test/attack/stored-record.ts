import { join } from 'node:path';
import Database from 'libsql';
import { PATIENCE_MS } from '../stack/patience.ts';
import type { TestStack } from '../stack/test-stack.ts';

// biome-ignore lint/suspicious/noExplicitAny: a record of any shape is what these tests are about
type Json = Record<string, any>;

/**
 * Writes straight into the SQLite file, past every rule: what a restored backup, another program or an attacker with
 * the disk leaves behind. The gate meets it at its next poll.
 */
export function editStored(stack: TestStack, sandboxId: string, change: (record: Json) => unknown): void {
  const db = new Database(join(stack.stateDir, 'policies.db'), { timeout: PATIENCE_MS });
  try {
    const row = db.prepare('SELECT record FROM policies WHERE id = ?').get(sandboxId) as { record: string };
    const record = JSON.stringify(change(JSON.parse(row.record) as Json));
    db.prepare('UPDATE policies SET record = ? WHERE id = ?').run(record, sandboxId);
  } finally {
    db.close();
  }
}
