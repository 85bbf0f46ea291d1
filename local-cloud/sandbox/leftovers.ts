import { join } from 'node:path';
import { removeCgroups } from './cgroup.ts';
import { removeFolder } from './folder.ts';
import { killAndWait } from './processes.ts';
import { folderNames, readRecord } from './record.ts';

/**
 * Ends what a killed host left in `sandboxes`, by pid and start time, and removes it; with its namespace's last process
 * go its mounts. Returns the ids. Only for a folder that no live host uses.
 */
export async function endLeftovers(sandboxes: string): Promise<string[]> {
  const names = folderNames(sandboxes);
  for (const name of names) {
    const folder = join(sandboxes, name);
    const record = readRecord(folder);
    if (record !== undefined) {
      await killAndWait(record.init, record.isolation === 'none');
      await killAndWait(record.keeper, false);
      await removeCgroups(record.cgroups);
    }
    await removeFolder(folder, record?.sockets);
  }
  return names;
}
