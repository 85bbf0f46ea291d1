import { readGroups, readPasswd } from './passwd.ts';

/** Names of owners and groups as of one moment: one for each listing, not one for each file. */
export class Names {
  readonly #users: Map<number, string>;
  readonly #groups: Map<number, string>;

  constructor() {
    this.#users = new Map(readPasswd().map((entry) => [entry.uid, entry.name]));
    this.#groups = readGroups();
  }

  /** The number as text where it has no name. */
  owner(uid: number): string {
    return this.#users.get(uid) ?? String(uid);
  }

  group(gid: number): string {
    return this.#groups.get(gid) ?? String(gid);
  }
}
