import { join, normalize } from 'node:path';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Account } from './account/accounts.ts';

/** Resolves a client's path: an empty one is the default folder, a relative one is relative to the user's home. */
export function expandPath(given: string, account: Account, workdir: string | undefined): string {
  const path = given || workdir || '';
  if (path.includes('\0')) throw new ConnectError('path holds a zero byte', Code.InvalidArgument);
  if (path.startsWith('~')) {
    if (path.length > 1 && path[1] !== '/') {
      throw new ConnectError(
        `failed to expand path '${path}' for user '${account.name}': cannot expand user-specific home dir`,
        Code.InvalidArgument,
      );
    }
    return join(account.home, path.slice(1));
  }
  return path.startsWith('/') ? trimmed(normalize(path)) : trimmed(join(account.home, path));
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
