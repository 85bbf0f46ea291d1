import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { SandgateError } from './errors.ts';

/**
 * Makes a folder and its missing parents. Throws the system's error. Not Node's `recursive`, which loops forever if a
 * parent exists but cannot contain new folders (`/proc`).
 */
export function makeFolder(path: string, mode = 0o777): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another process may have made it in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Replaces files as a whole by renames, so that no reader sees half of one. Files that belong together are replaced as
 * close to each other as possible, in this order. Throws the system's error.
 */
export function replaceFiles(files: readonly { path: string; text: string; mode: number }[]): void {
  const drafts = files.map(({ path, text, mode }) => [draftOf(path, text, mode), path] as const);
  for (const [draft, path] of drafts) renameSync(draft, path);
}

function draftOf(path: string, text: string, mode: number): string {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { mode, flag: 'wx' });
  // The umask may have taken bits away.
  chmodSync(draft, mode);
  return draft;
}

/**
 * Reads a secret of the local stack from a file with mode 0600, which is made on the first start. `pattern`: what the
 * secret must look like. `renew`: makes a new one on every start. Throws STATE_UNUSABLE with a message that does not quote the secret.
 */
export function secretFile(path: string, pattern: RegExp, make: () => string, renew = false): string {
  try {
    makeFolder(dirname(path), 0o700);
    if (renew) rmSync(path, { force: true });
    // Linked into place: two starts at the same time must get the same secret, and a crash must not leave half of it.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, `${make()}\n`, { mode: 0o600 });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    chmodSync(path, 0o600);
    const secret = readFileSync(path, 'utf8').trim();
    if (!pattern.test(secret)) throw new Error('its content is not valid');
    return secret;
  } catch (cause) {
    throw new SandgateError('STATE_UNUSABLE', `cannot use ${path}: ${(cause as Error).message}`, {
      remedy: 'make it readable and its folder writable; if it is damaged, remove it, and a new one is made',
      cause,
    });
  }
}

/**
 * Opens a log to append to, readable for its owner only. Not through a link, which could lead to a file of this user that
 * must not be written to, and not another kind of file, such as a FIFO. Throws STATE_UNUSABLE.
 */
export function openLog(path: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let log: number | undefined;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a reader.
    log = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (fstatSync(log).isFile()) return log;
    throw new Error('it is not a regular file');
  } catch (cause) {
    if (log !== undefined) closeSync(log);
    throw new SandgateError('STATE_UNUSABLE', `cannot write the log ${path}: ${(cause as Error).message}`, {
      remedy:
        'remove what is at that path, and make its folder writable; a log is never written through a link',
      cause,
    });
  }
}
