import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Names } from '../account/passwd.ts';
import { codeOf, failure, internal, isMissing } from '../system-error.ts';
import { type Entry, readEntry } from './entry.ts';

/** A listing is one message, and a larger one would not be useful. */
const MOST_ENTRIES = 100_000;

/** Everything under a folder down to `depth`, depth first, sorted by name. Links are listed, not followed. */
export async function listFolder(path: string, depth: number, names: Names): Promise<Entry[]> {
  const real = await followLinks(path);
  const found = await stat(real).catch((error) => {
    throw isMissing(error)
      ? failure(Code.NotFound, 'directory not found', error)
      : internal('error getting file info', error);
  });
  if (!found.isDirectory()) throw new ConnectError(`path is not a directory: ${real}`, Code.InvalidArgument);
  const entries: Entry[] = [];
  await walk(real, path, depth);
  return entries;

  /** `shown` is the path of the same folder as the client named it. */
  async function walk(folder: string, shown: string, left: number): Promise<void> {
    const children = await readdir(folder).catch((error) => {
      throw internal(`error reading directory ${real}`, error);
    });
    for (const name of children.sort(byBytes)) {
      const entry = await readEntry(join(folder, name), names).catch((error: ConnectError) => {
        // It was removed meanwhile.
        if (error.code === Code.NotFound) return undefined;
        throw error;
      });
      if (entry === undefined) continue;
      if (entries.length >= MOST_ENTRIES) {
        throw new ConnectError(`more than ${MOST_ENTRIES} entries under ${path}`, Code.ResourceExhausted);
      }
      entries.push({ ...entry, path: join(shown, name) });
      const isFolder = entry.permissions?.startsWith('d');
      if (left > 1 && isFolder) await walk(join(folder, name), join(shown, name), left - 1);
    }
  }
}

async function followLinks(path: string): Promise<string> {
  return await realpath(path).catch((error) => {
    if (isMissing(error)) throw failure(Code.NotFound, 'path not found', error);
    if (codeOf(error) === 'ELOOP') {
      throw new ConnectError(`cyclic symlink or chain >255 links at "${path}"`, Code.FailedPrecondition);
    }
    throw internal('error resolving symlink', error);
  });
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
