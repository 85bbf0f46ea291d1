import { SandgateError } from '../errors.ts';
import { endOrphans } from '../fleet/orphans.ts';
import { isAlive } from '../server/process-identity.ts';
import { readRuns } from '../server/run-file.ts';

/** Ends what a killed `dev` left running in this state folder. Throws ADDRESS_IN_USE where one still lives there. */
export async function endLeftovers(stateDir: string, notice: (line: string) => void): Promise<void> {
  const living = readRuns(stateDir).find((run) => run.kind === 'dev' && isAlive(run));
  if (living !== undefined) {
    throw new SandgateError('ADDRESS_IN_USE', `a stack already runs on ${stateDir} (pid ${living.pid})`, {
      remedy: `stop it (kill ${living.pid}), or choose another state folder (SANDGATE_STATE_DIR) and other ports`,
    });
  }
  await endOrphans(stateDir, notice);
}
