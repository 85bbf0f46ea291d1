import { setTimeout as pause } from 'node:timers/promises';
import { isAlive, kill, type ProcessIdentity } from '../server/process-identity.ts';
import { readRuns, removeRun } from '../server/run-file.ts';

/** Ends what a killed parent left running in this state folder, by pid and start time, and clears old run files. */
export async function endOrphans(stateDir: string, notice: (line: string) => void): Promise<void> {
  for (const run of readRuns(stateDir)) {
    if (isAlive(run)) continue;
    if (run.kind !== 'gate') {
      const left = run.children.filter(isAlive);
      if (left.length > 0) notice(`ending ${left.length} process(es) that the last start left behind`);
      await Promise.all(left.map(end));
    }
    removeRun(stateDir, run.pid);
  }
}

/** No grace: nobody drains for a parent that is already gone, and its places are needed now. */
async function end(process_: ProcessIdentity): Promise<void> {
  kill(process_);
  while (isAlive(process_)) await pause(5);
}
