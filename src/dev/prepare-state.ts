import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { endOrphans } from '../fleet/children.ts';
import { makeFolder } from '../folder.ts';
import { isAlive } from '../state/process-identity.ts';
import { readRuns } from '../state/run-file.ts';
import { requireSafeFolder } from '../state/safe-folder.ts';

/** Makes the state folder with the folders that `dev` writes to, and the folders in `read`. Throws STATE_UNUSABLE. */
export function makeStateFolder(stateDir: string, read: readonly string[]): void {
  requireSafeFolder(stateDir);
  try {
    for (const name of ['', 'envoy', 'logs', 'run']) makeFolder(join(stateDir, name), 0o700);
    for (const folder of read) makeFolder(folder);
    accessSync(stateDir, constants.W_OK);
  } catch (error) {
    throw new SandgateError(
      'STATE_UNUSABLE',
      `cannot use the state folder ${stateDir}: ${(error as Error).message}`,
      {
        remedy: 'make it writable, or choose another one (SANDGATE_STATE_DIR)',
        cause: error,
      },
    );
  }
}

/** Ends what a killed `dev` left running in this state folder. Throws ADDRESS_IN_USE if a live one uses the folder. */
export async function endLeftovers(stateDir: string, notice: (line: string) => void): Promise<void> {
  const living = readRuns(stateDir).find((run) => run.kind === 'dev' && isAlive(run));
  if (living !== undefined) {
    throw new SandgateError(
      'ADDRESS_IN_USE',
      `a stack is already running on ${stateDir} (pid ${living.pid})`,
      {
        remedy: `stop it (kill ${living.pid}), or choose another state folder (SANDGATE_STATE_DIR) and other ports`,
      },
    );
  }
  await endOrphans(stateDir, notice);
}
