import { accessSync, constants, type Stats, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isAlive } from '../state/process-identity.ts';
import type { Run } from '../state/run-file.ts';
import { folderFault } from '../state/safe-folder.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const MIN_FREE = 64 * 1024 * 1024;
const ENOUGH_FREE = 512 * 1024 * 1024;
const MIB = 1024 * 1024;
const ANOTHER = 'choose another state folder (SANDGATE_STATE_DIR)';

/** Checks owner, mode, writability and free space of the state folder. `uid` is this process' own. */
export function checkStateFolder(stateDir: string, uid: number | undefined): Finding[] {
  const stat = statOf(stateDir);
  if (stat === undefined) return absent(stateDir);
  if (!stat.isDirectory())
    return [fail('state folder', `${stateDir} is not a folder`, `remove it, or ${ANOTHER}`)];
  return [permissionsOf(stateDir, stat, uid), spaceOf(stateDir)];
}

function absent(stateDir: string): Finding[] {
  let parent = dirname(stateDir);
  while (statOf(parent) === undefined) parent = dirname(parent);
  if (!isWritable(parent)) {
    const remedy = `make it writable, or ${ANOTHER}`;
    return [fail('state folder', `${stateDir} does not exist, and ${parent} is not writable`, remedy)];
  }
  return [ok('state folder', `${stateDir} will be made at the first start`), spaceOf(parent)];
}

function permissionsOf(stateDir: string, { uid: owner, mode }: Stats, uid: number | undefined): Finding {
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  if (!isWritable(stateDir)) {
    return fail(
      'state folder',
      `${stateDir} is not writable (mode ${bits})`,
      `make it writable, or ${ANOTHER}`,
    );
  }
  const fault = folderFault(stateDir, uid);
  if (fault !== undefined) return fail('state folder', fault.found, fault.remedy);
  if (uid !== undefined && owner !== uid) {
    const remedy = `run as user ${owner}, or ${ANOTHER}`;
    return warn('state folder', `${stateDir} belongs to user ${owner}, but this is user ${uid}`, remedy);
  }
  return ok('state folder', `${stateDir}, mode ${bits}, writable`);
}

function spaceOf(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const found = `${Math.floor(free / MIB)} MiB free`;
  const remedy = 'free some space: no policy can be written to a full disk';
  if (free < MIN_FREE) return fail('disk', found, remedy);
  return free < ENOUGH_FREE ? warn('disk', found, remedy) : ok('disk', found);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const NEXT_START = 'start `sandgate dev`, or several gates, on this state folder: that cleans up';

/** Looks for run files of dead processes, and for processes that a killed stack left running. */
export function checkLeftovers(runs: readonly Run[]): Finding {
  const dead = runs.filter((run) => !isAlive(run));
  const orphans = dead.flatMap((run) => (run.kind === 'gate' ? [] : run.children.filter(isAlive)));
  if (orphans.length > 0) {
    const pids = orphans.map(({ pid }) => pid).join(', ');
    return warn('leftovers', `a stack that was killed left processes running: ${pids}`, NEXT_START);
  }
  if (dead.length === 0) return ok('leftovers', 'none');
  const files = dead.map(({ pid }) => `run/${pid}.json`).join(', ');
  return warn('leftovers', `stale run files: ${files}`, NEXT_START);
}

/** A path from a setting, and what it must be. */
export interface NamedPath {
  setting: string;
  path: string;
  kind: 'program' | 'folder' | 'file';
}

/** Checks whether every path in the settings exists and can be read, or executed. */
export function checkPaths(paths: readonly NamedPath[]): Finding[] {
  return paths.map(({ setting, path, kind }) => {
    try {
      const isFolder = statSync(path).isDirectory();
      if (isFolder !== (kind === 'folder'))
        return fail(setting, `${path} is not a ${kind}`, `name a ${kind}`);
      accessSync(path, kind === 'program' ? constants.X_OK : constants.R_OK);
      return ok(setting, path);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      const remedy =
        kind === 'program' ? 'name an executable program' : `make it readable, or name another ${kind}`;
      return fail(setting, `${path} cannot be used (${code})`, remedy);
    }
  });
}
