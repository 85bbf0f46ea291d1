import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as passed } from 'node:timers/promises';
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

/** Pids whose environment holds the mark: what the agent started, and what left its process group since. */
function markedProcesses(mark: readonly [string, string]): number[] {
  const wanted = `${mark[0]}=${mark[1]}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => readEnvironment(name).includes(wanted))
    .map(Number);
}

/** One that ended meanwhile is passed over. */
function signalMarked(mark: readonly [string, string], signal: NodeJS.Signals): number {
  const pids = markedProcesses(mark);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended by itself.
    }
  }
  return pids.length;
}

function readEnvironment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
