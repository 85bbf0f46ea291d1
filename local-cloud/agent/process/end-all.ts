import { setTimeout as passed } from 'node:timers/promises';
import { killMarked, markedProcesses } from './leftovers.ts';
import type { ProcessTable } from './process-table.ts';

const LOOK_MS = 20;

/** SIGTERM to every process group, then SIGKILL to whatever the agent started and is still there after `graceMs`. */
export async function endAll(
  table: ProcessTable,
  mark: readonly [string, string],
  graceMs: number,
): Promise<void> {
  for (const { child } of table.all()) child.signal('SIGTERM');
  for (let waited = 0; waited < graceMs && markedProcesses(mark).length > 0; waited += LOOK_MS) {
    await passed(LOOK_MS);
  }
  for (const { child } of table.all()) child.signal('SIGKILL');
  killMarked(mark);
}
