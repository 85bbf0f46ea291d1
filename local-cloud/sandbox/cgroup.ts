import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '#src/errors.js';
import type { LimitedBy, Limits } from './sandbox.ts';

/** The cgroups of one sandbox: none, one (v2) or two (v1). */
export interface Cgroup {
  readonly folders: readonly string[];
  readonly limitedBy: LimitedBy;
}

/** Where cgroups are mounted, and the ones this process is in (`/proc/self/cgroup`). */
export interface CgroupRoot {
  mount: string;
  membership: string;
}

export function ownCgroupRoot(): CgroupRoot {
  let membership = '';
  try {
    membership = readFileSync('/proc/self/cgroup', 'utf8');
  } catch {
    // A kernel without cgroups: rlimits are used.
  }
  return { mount: '/sys/fs/cgroup', membership };
}

/** Includes the state folder: two local clouds on one machine may have a sandbox of the same id. */
export function cgroupName(stateDir: string, sandboxId: string): string {
  return `sandgate-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}-${sandboxId}`;
}

/** Makes the cgroups that this machine lets us make; rlimits must enforce the limits that `limitedBy` assigns to them. */
export function makeCgroup(name: string, limits: Limits, root: CgroupRoot): Cgroup {
  const bytes = String(limits.memoryMiB * 1024 * 1024);
  const processes = String(limits.processes);
  if (existsSync(join(root.mount, 'cgroup.controllers'))) {
    const made = unified(name, root, { 'memory.max': bytes, 'pids.max': processes });
    if (made === undefined) return { folders: [], limitedBy: { memory: 'rlimit', processes: 'rlimit' } };
    // The file is absent if there is no swap.
    attempt(() => write(made, { 'memory.swap.max': '0' }));
    return { folders: [made], limitedBy: { memory: 'cgroup', processes: 'cgroup' } };
  }
  const memory = versionOne('memory', name, root, { 'memory.limit_in_bytes': bytes });
  if (memory !== undefined) attempt(() => write(memory, { 'memory.memsw.limit_in_bytes': bytes }));
  const pids = versionOne('pids', name, root, { 'pids.max': processes });
  return {
    folders: [memory, pids].filter((folder) => folder !== undefined),
    limitedBy: { memory: memory ? 'cgroup' : 'rlimit', processes: pids ? 'cgroup' : 'rlimit' },
  };
}

/** Throws SANDBOX_FAILED. */
export function joinCgroup(cgroup: Cgroup, pid: number): void {
  for (const folder of cgroup.folders) {
    try {
      writeFileSync(join(folder, 'cgroup.procs'), String(pid));
    } catch (error) {
      throw new SandgateError('SANDBOX_FAILED', `cannot move a sandbox into the cgroup ${folder}`, {
        remedy: 'run the local cloud in a cgroup that it may divide, or as root',
        cause: error,
      });
    }
  }
}

/** Call after the last process has ended. The kernel releases a cgroup a moment after that. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (let tries = 0; tries < 100 && existsSync(folder); tries++) {
      if (attempt(() => rmdirSync(folder))) break;
      await pause(20);
    }
  }
}

function unified(name: string, root: CgroupRoot, values: Record<string, string>): string | undefined {
  const own = /^0::(\/.*)$/m.exec(root.membership)?.[1] ?? '/';
  for (const parent of [join(root.mount, own), root.mount]) {
    // Refused if the parent contains processes, unless it is the root cgroup.
    attempt(() => write(parent, { 'cgroup.subtree_control': '+memory +pids' }));
    const made = make(join(parent, name), values);
    if (made !== undefined) return made;
  }
  return undefined;
}

function versionOne(
  controller: string,
  name: string,
  root: CgroupRoot,
  values: Record<string, string>,
): string | undefined {
  const own = new RegExp(`^\\d+:(?:.*,)?${controller}(?:,.*)?:(/.*)$`, 'm').exec(root.membership)?.[1];
  return own === undefined ? undefined : make(join(root.mount, controller, own, name), values);
}

/** Undefined if the folder cannot be made or lacks the files: we may not use that controller. */
function make(folder: string, values: Record<string, string>): string | undefined {
  // An empty one that a killed host left; one in use stays.
  attempt(() => rmdirSync(folder));
  if (!attempt(() => mkdirSync(folder))) return undefined;
  if (attempt(() => write(folder, values))) return folder;
  attempt(() => rmdirSync(folder));
  return undefined;
}

function write(folder: string, values: Record<string, string>): void {
  // `r+` never creates a file, which would look like a limit on a folder that is not a cgroup.
  for (const [file, value] of Object.entries(values))
    writeFileSync(join(folder, file), value, { flag: 'r+' });
}

function attempt(step: () => void): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}
