import { setTimeout as passed } from 'node:timers/promises';
import { markedProcesses, signalMarked } from './leftovers.ts';
import type { ProcessTable } from './process-table.ts';

const LOOK_MS = 20;
/** One that forks while it is killed is met again. */
const ROUNDS = 20;

/** SIGTERM to every process of the sandbox, those that left their group too; SIGKILL to who is there after `graceMs`. */
export async function endAll(
  table: ProcessTable,
  mark: readonly [string, string],
  graceMs: number,
): Promise<void> {
  const toAll = (signal: NodeJS.Signals) => {
    for (const { child } of table.all()) child.signal(signal);
    return signalMarked(mark, signal);
  };
  toAll('SIGTERM');
  for (let waited = 0; waited < graceMs && markedProcesses(mark).length > 0; waited += LOOK_MS) {
    await passed(LOOK_MS);
  }
  for (let round = 0; round < ROUNDS && toAll('SIGKILL') > 0; round += 1) await passed(LOOK_MS);
}
