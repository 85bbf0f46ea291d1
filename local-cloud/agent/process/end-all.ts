import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as passed } from 'node:timers/promises';
import type { ProcessTable } from './process-table.ts';

const LOOK_MS = 20;
/** More than one, to catch processes that fork while they are being killed. */
const ROUNDS = 20;

/** Sends SIGTERM to every process of the sandbox, in its group or not, and SIGKILL to those left after `graceMs`. */
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

/** Pids of processes with the mark in their environment: everything the agent started, even outside its process group. */
function markedProcesses(mark: readonly [string, string]): number[] {
  const wanted = `${mark[0]}=${mark[1]}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => readEnvironment(name).includes(wanted))
    .map(Number);
}

/** Returns how many processes had the mark. */
function signalMarked(mark: readonly [string, string], signal: NodeJS.Signals): number {
  const pids = markedProcesses(mark);
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in the meantime.
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
