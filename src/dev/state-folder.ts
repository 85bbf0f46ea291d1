import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { makeFolder } from '../folder.ts';

/** Makes the state folder, the folders that `dev` writes to, and those it was asked to read. Throws STATE_UNUSABLE. */
export function makeStateFolder(stateDir: string, read: readonly string[]): void {
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
