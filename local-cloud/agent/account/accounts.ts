import { Code, ConnectError } from '@connectrpc/connect';
import type { PasswdEntry } from './passwd.ts';

/** Who a request acts as. `switches`: the agent becomes this user; otherwise the name stands for the agent's own. */
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
  /** The home of everybody the agent cannot become. */
  home: string;
  /** Where the sandbox has only a folder as its root, homes of the machine are not its own. */
  ownRoot: boolean;
}

/** The users of the sandbox. */
export class Accounts {
  readonly #options: AccountsOptions;

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** Throws `unauthenticated` with E2B's text for a name that nobody has. */
  find(name: string, fallback: string): Account {
    const { self, home, ownRoot, mayBecome } = this.#options;
    const entry = this.#options.passwd().find((row) => row.name === name);
    if (entry && self.uid === 0 && mayBecome(entry.uid, entry.gid)) {
      const { uid, gid } = entry;
      return { name, uid, gid, home: ownRoot ? entry.home : home, switches: uid !== self.uid };
    }
    // An agent that cannot switch plays the users that every sandbox of E2B has.
    if (entry || name === fallback || name === 'user' || name === 'root') {
      return { name, ...self, home, switches: false };
    }
    throw new ConnectError(`invalid username: '${name}'`, Code.Unauthenticated);
  }
}
