import { accessSync, constants, type Stats, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Finding, fail, ok, warn } from './finding.ts';

const LEAST_FREE = 64 * 1024 * 1024;
const GOOD_FREE = 512 * 1024 * 1024;
const MIB = 1024 * 1024;
const ANOTHER = 'choose another state folder (SANDGATE_STATE_DIR)';

/** Owner, mode, writability and free space of the state folder; `uid` is this process' own. */
export function checkStateFolder(stateDir: string, uid: number | undefined): Finding[] {
  const stat = statOf(stateDir);
  if (stat === undefined) return notThere(stateDir);
  if (!stat.isDirectory())
    return [fail('state folder', `${stateDir} is no folder`, `remove it, or ${ANOTHER}`)];
  return [rightsOf(stateDir, stat, uid), spaceOf(stateDir)];
}

function notThere(stateDir: string): Finding[] {
  let parent = dirname(stateDir);
  while (statOf(parent) === undefined) parent = dirname(parent);
  if (!isWritable(parent)) {
    const remedy = `make it writable, or ${ANOTHER}`;
    return [fail('state folder', `${stateDir} is not there, and ${parent} is not writable`, remedy)];
  }
  return [ok('state folder', `${stateDir} is made at the first start`), spaceOf(parent)];
}

function rightsOf(stateDir: string, { uid: owner, mode }: Stats, uid: number | undefined): Finding {
  const bits = (mode & 0o7777).toString(8).padStart(4, '0');
  if (!isWritable(stateDir)) {
    return fail('state folder', `${stateDir} is not writable (mode ${bits})`, `make it so, or ${ANOTHER}`);
  }
  if (uid !== undefined && owner !== uid) {
    const remedy = `run as user ${owner}, or ${ANOTHER}: whoever owns it can replace the Check socket`;
    return warn('state folder', `${stateDir} belongs to user ${owner}, and this is user ${uid}`, remedy);
  }
  if ((mode & 0o022) !== 0) {
    return fail('state folder', `others may write to ${stateDir} (mode ${bits})`, `chmod 700 ${stateDir}`);
  }
  return ok('state folder', `${stateDir}, mode ${bits}, writable`);
}

function spaceOf(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const found = `${Math.floor(free / MIB)} MiB free`;
  const remedy = 'make room: with a full disk no policy can be written';
  if (free < LEAST_FREE) return fail('disk', found, remedy);
  return free < GOOD_FREE ? warn('disk', found, remedy) : ok('disk', found);
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
