import { type BigIntStats, constants } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { Names } from '../account/passwd.ts';
import { type EntryInfoSchema, FileType } from '../gen/filesystem/filesystem_pb.ts';
import { failure, internal, isMissing } from '../system-error.ts';

export type Entry = MessageInitShape<typeof EntryInfoSchema>;

/**
 * The entry at a path. A symbolic link has the type and mode of its target, and `symlinkTarget` with the target's path.
 * Throws `not_found`.
 */
export async function readEntry(path: string, names: Names): Promise<Entry> {
  const found = await lstat(path, { bigint: true }).catch((error) => {
    throw isMissing(error)
      ? failure(Code.NotFound, 'file not found', error)
      : internal('error getting file info', error);
  });
  const link = found.isSymbolicLink();
  // A dangling link is its own target and has no type.
  const target = link ? await realpath(path).catch(() => path) : undefined;
  const shown = link ? await stat(path, { bigint: true }).catch(() => undefined) : found;
  return {
    name: basename(path) || '/',
    type: shown ? typeOf(shown) : FileType.UNSPECIFIED,
    path,
    size: found.size,
    mode: shown ? Number(shown.mode) & 0o777 : 0,
    permissions: permissionsText(Number(found.mode)),
    owner: names.owner(Number(found.uid)),
    group: names.group(Number(found.gid)),
    modifiedTime: { seconds: found.mtimeNs / 1_000_000_000n, nanos: Number(found.mtimeNs % 1_000_000_000n) },
    ...(target === undefined ? {} : { symlinkTarget: target }),
  };
}

function typeOf(found: BigIntStats): FileType {
  switch (Number(found.mode) & constants.S_IFMT) {
    case constants.S_IFREG:
      return FileType.FILE;
    case constants.S_IFDIR:
      return FileType.DIRECTORY;
    default:
      return FileType.UNSPECIFIED;
  }
}

const KINDS = new Map([
  [constants.S_IFDIR, 'd'],
  [constants.S_IFLNK, 'L'],
  [constants.S_IFBLK, 'D'],
  [constants.S_IFCHR, 'Dc'],
  [constants.S_IFIFO, 'p'],
  [constants.S_IFSOCK, 'S'],
]);
/** Go writes these letters after the kind, in this order. */
const SPECIAL: readonly [number, string][] = [
  [0o4000, 'u'],
  [0o2000, 'g'],
  [0o1000, 't'],
];

/** A mode in the form of Go's FileMode, which the SDKs show: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`. */
export function permissionsText(mode: number): string {
  const kind = KINDS.get(mode & constants.S_IFMT) ?? '';
  const special = SPECIAL.filter(([bit]) => mode & bit).map(([, letter]) => letter);
  const rights = 'rwxrwxrwx'.replace(/./g, (letter, at: number) => (mode & (1 << (8 - at)) ? letter : '-'));
  return `${kind + special.join('') || '-'}${rights}`;
}
