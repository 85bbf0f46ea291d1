import { open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import { ensureFolders } from '../filesystem/folders.ts';
import { internal, isDiskFull, isMissing } from '../system-error.ts';

/** As `POST /files` answers it. */
export interface WrittenFile {
  path: string;
  name: string;
  type: 'file';
}

/** Writes a stream to a file of the account, making the folders above it; what was there is replaced. */
export async function writeFile(path: string, bytes: Readable, account: Account): Promise<WrittenFile> {
  await ensureFolders(dirname(path), account);
  const found = await stat(path).catch((error) => {
    if (!isMissing(error)) throw internal('error getting file info', error);
    return undefined;
  });
  if (found?.isDirectory()) throw new ConnectError(`path is a directory: ${path}`, Code.InvalidArgument);
  try {
    const handle = await open(path, 'w', 0o666);
    try {
      if (account.switches) await handle.chown(account.uid, account.gid);
      await pipeline(bytes, handle.createWriteStream());
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isDiskFull(error)) throw new ConnectError('not enough disk space available', Code.ResourceExhausted);
    throw internal('error writing file', error);
  }
  return { path, name: basename(path), type: 'file' };
}
