import { Code, ConnectError } from '@connectrpc/connect';
import { type Access, UNAUTHORIZED } from '../access.ts';
import type { Account, Accounts } from '../account/accounts.ts';
import { headerOf, type NodeRequest } from '../http/node-messages.ts';
import type { SandboxDefaults } from '../sandbox-defaults.ts';

/** An authorized request to `/files`: by the access token or by a signed URL. */
export interface FileRequest {
  /** As given, not resolved. Absent if each part of an upload names its own. */
  path: string | undefined;
  account: Account;
  workdir: string | undefined;
}

export function readFileRequest(
  request: NodeRequest,
  query: URLSearchParams,
  operation: 'read' | 'write',
  parts: { access: Access; accounts: Accounts; defaults: SandboxDefaults; now: () => Date },
): FileRequest {
  const { access, accounts, defaults, now } = parts;
  const path = query.get('path') ?? undefined;
  const username = query.get('username') ?? undefined;
  const signature = query.get('signature');
  const token = headerOf(request, 'x-access-token') || undefined;
  if (!access.admits(token)) {
    const expiration = query.get('signature_expiration') ?? undefined;
    const refused =
      token === undefined && signature !== null
        ? access.refuseSigned(
            { path: path ?? '', operation, username: username ?? '', signature, expiration },
            now(),
          )
        : UNAUTHORIZED;
    if (refused !== undefined) throw new ConnectError(refused, Code.Unauthenticated);
  }
  return {
    path,
    account: accounts.find(username || defaults.user, defaults.user),
    workdir: defaults.workdir,
  };
}
