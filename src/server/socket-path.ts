import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { SandgateError } from '../errors.ts';

/** Node cuts a longer path silently at about 107 bytes and listens elsewhere. */
const LONGEST = 100;

/** Where a socket wanted at `path` really goes: the same place, or a private folder under `temporary` when the path is too long. */
export function socketPath(path: string, temporary: string): string {
  if (Buffer.byteLength(path) <= LONGEST) return path;
  const place = createHash('sha256').update(dirname(path)).digest('hex').slice(0, 16);
  return join(temporary, `sandgate-${process.getuid?.() ?? 0}-${place}`, basename(path));
}

/**
 * Makes the folder of a socket and clears a dead one from its place. `group`: Envoy's group may enter (2750); else 0700. `setting` names the path in errors.
 * The folder must be ours: whoever can replace the Check socket can allow anything.
 */
export async function prepareSocket(
  path: string,
  access: 'group' | 'private',
  setting = 'SANDGATE_LISTEN',
): Promise<void> {
  const folder = dirname(path);
  try {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    const found = await lstat(folder);
    if (!found.isDirectory() || (process.getuid && found.uid !== process.getuid())) {
      throw new SandgateError(
        'STATE_UNUSABLE',
        `${folder}, the folder of a socket, is not a folder of this user`,
        {
          remedy: 'remove it, or choose another state folder',
        },
      );
    }
    const mode = access === 'group' ? 0o2750 : 0o700;
    if (made !== undefined || (found.mode & 0o7777) !== mode) await chmod(folder, mode);
  } catch (error) {
    if (error instanceof SandgateError) throw error;
    throw new SandgateError('STATE_UNUSABLE', `cannot make ${folder}: ${(error as Error).message}`, {
      remedy: 'make it writable, or choose another state folder (SANDGATE_STATE_DIR)',
      cause: error,
    });
  }
  if (await isListening(path)) {
    throw new SandgateError('ADDRESS_IN_USE', `${path} is in use by a running process`, {
      remedy: `stop it, or choose another socket (${setting}) or state folder (SANDGATE_STATE_DIR)`,
    });
  }
}

/** True for a live socket; a stale one is removed, but only once a connect was refused. */
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
