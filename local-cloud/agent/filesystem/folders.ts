import { chown, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import { codeOf, internal, isMissing } from '../system-error.ts';

/** Makes a folder and its missing parents with mode 0755, owned by the account. */
export async function ensureFolders(path: string, account: Account): Promise<void> {
  const found = await stat(path).catch((error) => {
    if (isMissing(error)) return undefined;
    throw internal('failed to stat directory', error);
  });
  if (found?.isDirectory()) return;
  if (found) throw new ConnectError(`path is a file: ${path}`, Code.Internal);
  await ensureFolders(dirname(path), account);
  try {
    await mkdir(path, 0o755);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw internal('failed to create directory', error);
  }
  await give(path, account);
}

/** Gives a file to the account; if the agent cannot switch users, the file stays the agent's own. */
export async function give(path: string, account: Account): Promise<void> {
  if (!account.switches) return;
  await chown(path, account.uid, account.gid).catch((error) => {
    throw internal('error changing file ownership', error);
  });
}
