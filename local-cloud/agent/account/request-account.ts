import type { SandboxDefaults } from '../sandbox-defaults.ts';
import type { Account, Accounts } from './accounts.ts';

/** The user of a Connect request: `Authorization: Basic base64("name:")`, or the default one. */
export function requestAccount(headers: Headers, accounts: Accounts, defaults: SandboxDefaults): Account {
  return accounts.find(basicUser(headers.get('authorization')) ?? defaults.user, defaults.user);
}

function basicUser(header: string | null): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [name] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return name || undefined;
}
