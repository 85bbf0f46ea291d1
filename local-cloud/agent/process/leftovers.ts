import { readdirSync, readFileSync } from 'node:fs';

/** Pids whose environment holds the mark: what the agent started, and what left its process group since. */
export function markedProcesses(mark: readonly [string, string]): number[] {
  const wanted = `${mark[0]}=${mark[1]}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => readEnvironment(name).includes(wanted))
    .map(Number);
}

/** One that ended meanwhile is passed over. */
export function signalMarked(mark: readonly [string, string], signal: NodeJS.Signals): number {
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
