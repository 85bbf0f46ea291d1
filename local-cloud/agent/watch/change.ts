import { type BigIntStats, lstatSync } from 'node:fs';

/** A change to a name in a folder, in the terms of Go's fsnotify. */
export interface Change {
  name: string;
  kind: 'create' | 'write' | 'remove' | 'rename' | 'chmod';
}

/** The last known state of a name, enough to tell changes apart. */
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

/** Node reports only that something changed: a change of permissions alone is a chmod, any other a write. */
export function kindOfUpdate(before: Seen, after: Seen): 'write' | 'chmod' {
  return before.content === after.content && before.rights !== after.rights ? 'chmod' : 'write';
}
