import { readdirSync, readFileSync } from 'node:fs';

/** Pids whose environment holds the mark: what the agent started, and what left its process group since. */
export function markedProcesses(mark: readonly [string, string]): number[] {
  const wanted = `${mark[0]}=${mark[1]}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => readEnvironment(name).includes(wanted))
    .map(Number);
}

/** Kills them all, again until none is left or `rounds` are over: one that forks while it is killed is met again. */
export function killMarked(mark: readonly [string, string], rounds = 10): void {
  for (let round = 0; round < rounds; round += 1) {
    const pids = markedProcesses(mark);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
  }
}

function readEnvironment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
