import { join } from 'node:path';
import Database from 'libsql';
import { PATIENCE_MS } from '../stack/patience.ts';
import type { TestStack } from '../stack/test-stack.ts';

// biome-ignore lint/suspicious/noExplicitAny: these tests write records of any shape
type Json = Record<string, any>;

/**
 * Writes directly to the SQLite file, bypassing every rule, as a restored backup, another program or an attacker with
 * disk access could. The gate sees it at its next poll.
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
