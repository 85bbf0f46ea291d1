import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupName, ownCgroupRoot } from '../../../local-cloud/sandbox/cgroup.ts';

const KINDS = ['pid', 'net', 'mnt', 'ipc', 'uts'];

/** The namespaces of a process, such as `pid:[4026532201]`. */
export const namespacesOf = (pid: number) =>
  KINDS.flatMap((kind) => attempt(() => readlinkSync(`/proc/${pid}/ns/${kind}`)) ?? []);

/** Descriptions of everything that is left of these sandboxes on this machine; should be empty. */
export function remains(stateDir: string, ids: readonly string[], namespaces: readonly string[]): string[] {
  const found: string[] = [];
  const folders = attempt(() => readdirSync(join(stateDir, 'sandboxes'))) ?? [];
  for (const name of folders) if (ids.includes(name)) found.push(`folder ${name}`);
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({
      pid,
      namespaces: namespacesOf(Number(pid)),
      folder: /(?:^|\0)SANDBOX_FOLDER=([^\0]*)/.exec(
        attempt(() => readFileSync(`/proc/${pid}/environ`, 'utf8')) ?? '',
      )?.[1],
    }));
  // The kernel reuses the number of a removed namespace, perhaps for another test.
  const ofOthers = processes
    .filter(({ folder }) => folder !== undefined && !folder.startsWith(stateDir))
    .flatMap((process) => process.namespaces);
  for (const process of processes) {
    for (const namespace of process.namespaces) {
      if (namespaces.includes(namespace) && !ofOthers.includes(namespace)) {
        found.push(`process ${process.pid} in ${namespace}`);
      }
    }
    const mounts = attempt(() => readFileSync(`/proc/${process.pid}/mountinfo`, 'utf8')) ?? '';
    for (const id of ids) {
      if (mounts.includes(join(stateDir, 'sandboxes', id))) found.push(`mount of ${id} in ${process.pid}`);
    }
    if (process.folder?.startsWith(stateDir)) found.push(`process ${process.pid}`);
  }
  for (const id of ids) found.push(...cgroupsOf(stateDir, id));
  return found;
}

/** Cgroup folders with a sandbox's name. */
export function cgroupsOf(stateDir: string, sandboxId: string): string[] {
  const { mount, membership } = ownCgroupRoot();
  return membership
    .trim()
    .split('\n')
    .map((line) => {
      const [, controller = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return join(mount, controller, path, cgroupName(stateDir, sandboxId));
    })
    .concat(join(mount, cgroupName(stateDir, sandboxId)))
    .filter((folder) => existsSync(folder));
}

function attempt<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    // A process that has just ended, or that we may not inspect.
    return undefined;
  }
}
