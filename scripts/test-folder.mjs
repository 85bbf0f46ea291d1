import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The most that a run was seen to write, including the packages copied for the README's test. */
const NEEDED_MB = 600;
/** Socket paths of the tests are up to 60 bytes longer, and a path over 100 bytes would be moved elsewhere. */
const LONGEST = 40;

/**
 * The temporary folder of one test run, and TMPDIR of everything the run starts. A process with this path in its
 * environment belongs to the run, so an interrupted run can end all of them.
 * @param {string} spare used if programs cannot be run from the system's temporary folder
 * @returns {string} its path; throws an Error that says what to do
 */
export function makeTestFolder(spare) {
  const system = tmpdir();
  const found = [system, '/var/tmp', spare].find(
    (folder) => folder.length <= LONGEST && runsPrograms(folder),
  );
  if (found === undefined) {
    throw new Error(
      `tests cannot run programs from the temporary folder ${system}\n` +
        'fix: set TMPDIR to a folder with a short path on a file system that is not mounted noexec',
    );
  }
  const { bavail, bsize } = statfsSync(found);
  const free = Math.floor((bavail * bsize) / 1_000_000);
  if (free < NEEDED_MB) {
    throw new Error(
      `the temporary folder ${found} has ${free} MB free; the tests need ${NEEDED_MB} MB\n` +
        'fix: free some space there, or set TMPDIR to a folder on another disk',
    );
  }
  const folder = mkdtempSync(join(found, 'sandgate-run-'));
  // Some tests run as another user.
  chmodSync(folder, 0o755);
  return folder;
}

/** @param {string} folder */
function runsPrograms(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    const trial = mkdtempSync(join(folder, 'sandgate-run-'));
    try {
      const program = join(trial, 'program');
      writeFileSync(program, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
      return spawnSync(program).status === 0;
    } finally {
      rmSync(trial, { recursive: true });
    }
  } catch (error) {
    // A test recognizes the full disk by its size.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ENOSPC';
  }
}

/**
 * The processes of a run except this one. Empty without /proc (macOS).
 * @param {string} folder
 * @returns {{ pid: number, command: string }[]}
 */
export function processesOf(folder) {
  const found = [];
  for (const name of listed('/proc')) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    // Empty for a zombie process.
    if (!read(`/proc/${pid}/environ`).includes(folder)) continue;
    found.push({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 200) });
  }
  return found;
}

/**
 * Ends every process of a run and removes its folder and the cgroups of its sandboxes. Synchronous, so that it can run
 * while this process exits.
 * @param {string} folder
 */
export function removeTestFolder(folder) {
  const deadline = Date.now() + 10_000;
  for (let left = processesOf(folder); left.length > 0 && Date.now() < deadline; left = processesOf(folder)) {
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The process has exited.
      }
    }
    pause(20);
  }
  for (const cgroup of cgroupsBelow(folder, 4)) {
    for (let tries = 0; tries < 50; tries++) {
      try {
        rmdirSync(cgroup);
        break;
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EBUSY') break;
        pause(20);
      }
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/**
 * The cgroups listed in the records of sandboxes.
 * @param {string} folder
 * @param {number} depth
 * @returns {string[]}
 */
function cgroupsBelow(folder, depth) {
  const record = read(join(folder, 'record.json'));
  if (record !== '') return JSON.parse(record).cgroups ?? [];
  if (depth === 0) return [];
  return listed(folder).flatMap((name) => cgroupsBelow(join(folder, name), depth - 1));
}

/**
 * The names in a folder; none if it cannot be read.
 * @param {string} folder
 */
export function listed(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * The text of a file, such as one in /proc; empty if it cannot be read.
 * @param {string} file
 */
export function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** @param {number} ms */
function pause(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
