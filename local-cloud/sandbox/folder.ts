import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { SandgateError } from '#src/errors.js';
import { resolveSocketPath } from '#src/state/socket-path.js';

/** The files of one sandbox on the host. */
export interface SandboxFolder {
  path: string;
  home: string;
  /** Folder that holds only the bridge's socket. */
  sockets: string;
  bridgeSocket: string;
  /** Standard output and error of its programs. */
  log: string;
}

/** The id of `user` in the sandbox; see image/passwd. */
const USER = 1000;

/** Makes the folders, owned by the sandbox's users if it has its own. Throws STATE_UNUSABLE. */
export function makeFolder(path: string, uidBase: number | undefined, temporary: string): SandboxFolder {
  const wanted = { path: join(path, 'sockets', 'bridge.sock'), access: 'private' } as const;
  const bridgeSocket = resolveSocketPath(wanted, temporary).path;
  const sockets = dirname(bridgeSocket);
  const home = join(path, 'home');
  const make = (folder: string, mode: number, user: number) => {
    mkdirSync(folder, { recursive: true });
    if (uidBase !== undefined) chownSync(folder, uidBase + user, uidBase + user);
    chmodSync(folder, mode);
  };
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    mkdirSync(path, { mode: 0o700 });
    mkdirSync(join(path, 'root'));
    make(home, 0o755, USER);
    // Programs of the machine that the sandbox is shown may be in root's home.
    make(join(path, 'root-home'), 0o711, 0);
    make(join(path, 'tmp'), 0o1777, 0);
    make(sockets, 0o700, 0);
  } catch (error) {
    throw new SandgateError('STATE_UNUSABLE', `cannot make ${path}: ${(error as Error).message}`, {
      remedy: 'free some space, or choose another state folder (SANDGATE_STATE_DIR)',
      cause: error,
    });
  }
  return { path, home, sockets, bridgeSocket, log: join(path, 'log') };
}

/** Call once no process uses the folder. */
export async function removeFolder(path: string, sockets: string | undefined): Promise<void> {
  if (sockets !== undefined) await rm(sockets, { recursive: true, force: true });
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // It contains a folder that even its owner may not enter, which only root can remove as it is.
    await promisify(execFile)('chmod', ['-R', 'u+rwX', path]).catch(() => {});
    await rm(path, { recursive: true, force: true });
  }
}
