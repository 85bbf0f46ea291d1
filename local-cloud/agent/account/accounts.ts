import { readFileSync } from 'node:fs';
import { Code, ConnectError } from '@connectrpc/connect';
import type { SandboxDefaults } from '../sandbox-defaults.ts';
import type { PasswdEntry } from './passwd.ts';

/** The user that a request acts as. `switches`: the agent becomes this user; if false, it acts as its own user under this name. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
  switches: boolean;
}

export interface AccountsOptions {
  self: { uid: number; gid: number };
  passwd: () => PasswdEntry[];
  /** Whether the kernel would let the agent become this user. */
  mayBecome: (uid: number, gid: number) => boolean;
  /** The home of users that the agent cannot become. */
  home: string;
  /** Whether the sandbox has a root of its own. If not, the homes in the passwd file are the machine's. */
  ownRoot: boolean;
}

/** The users of the sandbox. */
export class Accounts {
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Throws `unauthenticated` with E2B's text if there is no such user. */
  find(name: string, fallback: string): Account {
    const { self, home, ownRoot, mayBecome } = this.#options;
    const entry = this.#options.passwd().find((row) => row.name === name);
    if (entry && self.uid === 0 && mayBecome(entry.uid, entry.gid)) {
      const { uid, gid } = entry;
      return { name, uid, gid, home: ownRoot ? entry.home : home, switches: uid !== self.uid };
    }
    // An agent that cannot switch users accepts the names that exist in every E2B sandbox.
    if (entry || name === fallback || name === 'user' || name === 'root') {
      return { name, ...self, home, switches: false };
    }
    throw new ConnectError(`invalid username: '${name}'`, Code.Unauthenticated);
  }
}

/** The user of a Connect request: `Authorization: Basic base64("name:")`, or the default user. */
export function requestAccount(headers: Headers, accounts: Accounts, defaults: SandboxDefaults): Account {
  return accounts.find(basicUser(headers.get('authorization')) ?? defaults.user, defaults.user);
}

function basicUser(header: string | null): string | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [name] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return name || undefined;
}

/**
 * Whether root in this user namespace may become this id: only mapped ids exist, and setuid to any other fails. `file` is
 * `/proc/self/uid_map` or `gid_map`; its rows are: first id inside, first id outside, count.
 */
export function isMapped(id: number, file: string): boolean {
  try {
    return readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .some((row) => {
        const [first = 0, , count = 0] = row.trim().split(/\s+/).map(Number);
        return id >= first && id < first + count;
      });
  } catch {
    return false;
  }
}
