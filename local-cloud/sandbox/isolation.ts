import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SandgateError } from '#src/errors.js';

/**
 * How sandboxes are isolated. `root`: namespaces made by root, each sandbox with 65,536 users of its own. `user`: a user
 * namespace, in which every user is the one that started this process. `none`: no isolation, only process groups.
 */
export type Isolation = 'root' | 'user' | 'none';

const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--net', '--ipc', '--uts'];

/** The command that runs PID 1 of a sandbox. */
export function unshareFor(isolation: 'root' | 'user'): readonly string[] {
  return ['unshare', ...(isolation === 'user' ? ['--user', '--map-root-user'] : []), ...NAMESPACES, '--'];
}

/** A small trial of everything that a sandbox needs from this machine. */
const TRIAL = `set -e
command -v bash findmnt mountpoint pivot_root setpriv umount >&2
mount -t tmpfs sandbox /tmp
mkdir /tmp/proc
mount -t proc proc /tmp/proc`;

/** The isolation that this user can get here. Throws ISOLATION_UNAVAILABLE if there is none. */
export async function findIsolation(uid: number): Promise<'root' | 'user'> {
  const isolation = uid === 0 ? 'root' : 'user';
  const [program, ...args] = [...unshareFor(isolation), 'sh', '-c', TRIAL];
  try {
    await promisify(execFile)(program!, args, { timeout: 10_000 });
    return isolation;
  } catch (error) {
    throw new SandgateError(
      'ISOLATION_UNAVAILABLE',
      `cannot isolate sandboxes on this machine: ${lastLine(error)}`,
      {
        remedy:
          isolation === 'root'
            ? 'install util-linux, and in a container allow SYS_ADMIN (unshare, mount); ' +
              'or run sandboxes without isolation (SANDGATE_ISOLATION=off)'
            : 'install util-linux, allow user namespaces (sysctl user.max_user_namespaces, ' +
              'kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run as root; ' +
              'or run sandboxes without isolation (SANDGATE_ISOLATION=off)',
        cause: error,
      },
    );
  }
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const lines = (stderr || message).trim().split('\n');
  return lines.at(-1) ?? message;
}
