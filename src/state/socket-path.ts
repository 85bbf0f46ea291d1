import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, lstat, rmdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { SandgateError } from '../errors.ts';
import { makeFolder } from '../folder.ts';
import { requireSafeFolder } from './safe-folder.ts';

/** In bytes. Node silently truncates a path of more than about 107 bytes, and then listens somewhere else. */
const LONGEST = 100;

/** Folder of a socket whose own path is too long. */
const MOVED = /\/sandgate-\d+-[0-9a-f]{16}$/;

/** A socket, and who may enter a folder that is made for it. `group`: its group (2750); `private`: only the owner (0700). */
export interface SocketPath {
  path: string;
  access: 'group' | 'private';
}

/** Where a socket really goes: to its path, or to a private folder under `temporary` if the path is too long. */
export function resolveSocketPath(wanted: SocketPath, temporary: string): SocketPath {
  const { path } = wanted;
  if (Buffer.byteLength(path) <= LONGEST) return wanted;
  const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);
  const name = basename(path).length > 32 ? `${hash(basename(path))}.sock` : basename(path);
  const folder = join(temporary, `sandgate-${process.getuid?.() ?? 0}-${hash(dirname(path))}`);
  return { path: join(folder, name), access: 'private' };
}

/**
 * Makes the folder of a socket, and removes a dead socket at its path. `setting` is the setting to name in errors.
 * Throws STATE_UNUSABLE or ADDRESS_IN_USE.
 */
export async function prepareSocket(socket: SocketPath, setting = 'SANDGATE_LISTEN'): Promise<void> {
  const { path } = socket;
  await prepareSocketFolder(socket);
  if (existsSync(path) && !(await lstat(path)).isSocket()) {
    throw new SandgateError('STATE_UNUSABLE', `${path} exists and is not a socket`, {
      remedy: 'choose another path; the file was left as it is',
    });
  }
  if (await isListening(path)) {
    throw new SandgateError('ADDRESS_IN_USE', `${path} is in use by a running process`, {
      remedy: `stop it, or choose another socket (${setting}) or state folder (SANDGATE_STATE_DIR)`,
    });
  }
}

/**
 * Makes the folder of a socket. It must belong to this user, and no other user may be able to write to it or replace a
 * folder on the way to it: anyone who can replace the Check socket can allow anything. Throws STATE_UNUSABLE.
 */
export async function prepareSocketFolder({ path, access }: SocketPath): Promise<void> {
  const folder = dirname(path);
  requireSafeFolder(dirname(folder));
  try {
    const isNew = !existsSync(folder);
    makeFolder(folder, 0o700);
    const found = await lstat(folder);
    if (!found.isDirectory() || (process.getuid && found.uid !== process.getuid())) {
      throw new SandgateError(
        'STATE_UNUSABLE',
        `${folder}, the folder of a socket, is not a folder that this user owns`,
        {
          remedy: 'remove it, or choose another state folder',
        },
      );
    }
    if (isNew && access === 'group') await chmod(folder, 0o2750);
    // An existing folder may be a home or /tmp, so it is checked but never changed.
    if ((found.mode & 0o022) !== 0) {
      throw new SandgateError(
        'STATE_UNUSABLE',
        `${folder} is writable by others, who could replace the socket`,
        {
          remedy: 'give the socket a folder of its own, or remove write permission for group and others',
        },
      );
    }
  } catch (error) {
    if (error instanceof SandgateError) throw error;
    throw new SandgateError('STATE_UNUSABLE', `cannot make ${folder}: ${(error as Error).message}`, {
      remedy: 'make it writable, or choose another state folder (SANDGATE_STATE_DIR)',
      cause: error,
    });
  }
}

/** Removes a socket that nothing listens on, and the folder that was made for it under the temporary folder. Leaves a live one. */
export async function clearDeadSocket(path: string): Promise<void> {
  if (await isListening(path)) return;
  const folder = dirname(path);
  // Fails, as it should, while the folder holds another socket.
  if (MOVED.test(folder)) await rmdir(folder).catch(() => {});
}

/** Returns whether the socket is live. A stale one is removed, but only after a connect was refused. */
async function isListening(path: string): Promise<boolean> {
  const code = await new Promise<string>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve('LIVE');
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  if (code === 'ECONNREFUSED') await unlink(path).catch(() => {});
  return code === 'LIVE';
}
