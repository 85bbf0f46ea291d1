import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { isAlive, kill, type ProcessIdentity } from '../server/process-identity.ts';
import { readRuns, removeRun } from '../server/run-file.ts';

/**
 * Ends what a killed `dev` left running in this state folder, by pid and start time, and clears old run files.
 * Throws ADDRESS_IN_USE where a `dev` still lives there.
 */
export async function endLeftovers(stateDir: string, notice: (line: string) => void): Promise<void> {
  for (const run of readRuns(stateDir)) {
    if (run.kind === 'dev' && isAlive(run)) {
      throw new SandgateError('ADDRESS_IN_USE', `a stack already runs on ${stateDir} (pid ${run.pid})`, {
        remedy: `stop it (kill ${run.pid}), or choose another state folder (SANDGATE_STATE_DIR) and other ports`,
      });
    }
    if (run.kind === 'dev') {
      const left = run.children.filter(isAlive);
      if (left.length > 0) notice(`ending ${left.length} process(es) that the last stack left behind`);
      await Promise.all(left.map(end));
    }
    if (!isAlive(run)) removeRun(stateDir, run.pid);
  }
}

/** No grace: nobody drains for a stack that is already gone. */
async function end(process_: ProcessIdentity): Promise<void> {
  kill(process_);
  while (isAlive(process_)) await pause(5);
}
