import { type BigIntStats, constants } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import type { Names } from '../account/names.ts';
import { type EntryInfoSchema, FileType } from '../gen/filesystem/filesystem_pb.ts';
import { failure, internal, isMissing } from '../system-error.ts';
import { permissionsText } from './permissions.ts';

export type Entry = MessageInitShape<typeof EntryInfoSchema>;

/**
 * What is at a path. A link has the type and mode of what it points to, and the absolute path of that as its target.
 * Throws `not_found`.
 */
export async function readEntry(path: string, names: Names): Promise<Entry> {
  const found = await lstat(path, { bigint: true }).catch((error) => {
    throw isMissing(error)
      ? failure(Code.NotFound, 'file not found', error)
      : internal('error getting file info', error);
  });
  const link = found.isSymbolicLink();
  // One that points nowhere stays its own target, of no type.
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
