import { type BigIntStats, lstatSync } from 'node:fs';

/** What happened to a name in a folder, in the terms of inotify as Go's fsnotify tells it. */
export interface Change {
  name: string;
  kind: 'create' | 'write' | 'remove' | 'rename' | 'chmod';
}

/** What was last seen at a name: enough to tell one change from another. */
export interface Seen {
  inode: bigint;
  folder: boolean;
  rights: string;
  content: string;
}

export function see(path: string): Seen | undefined {
  let found: BigIntStats;
  try {
    found = lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
  const { ino, mode, uid, gid, size, mtimeNs } = found;
  return {
    inode: ino,
    folder: found.isDirectory(),
    rights: `${mode} ${uid} ${gid}`,
    content: `${size} ${mtimeNs}`,
  };
}

/** Node says only that something changed: rights alone are a chmod, everything else a write. */
export function kindOfUpdate(before: Seen, after: Seen): 'write' | 'chmod' {
  return before.content === after.content && before.rights !== after.rights ? 'chmod' : 'write';
}
