import { readFileSync } from 'node:fs';

export interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** `/etc/passwd`, read at each call, because commands in a sandbox may add users. An unreadable file has no users. */
export function readPasswd(file = '/etc/passwd'): PasswdEntry[] {
  return rows(file, 7).map(([name = '', , uid, gid, , home = '/']) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
  }));
}

/** Group names by id. */
export function readGroups(file = '/etc/group'): Map<number, string> {
  return new Map(rows(file, 3).map(([name = '', , gid]) => [Number(gid), name]));
}

/** A snapshot of user and group names: made once for each listing, not for each file. */
export class Names {
  readonly #users: Map<number, string>;
  readonly #groups: Map<number, string>;

  constructor() {
    this.#users = new Map(readPasswd().map((entry) => [entry.uid, entry.name]));
    this.#groups = readGroups();
  }

  /** Returns the number as text if it has no name. */
  owner(uid: number): string {
    return this.#users.get(uid) ?? String(uid);
  }

  group(gid: number): string {
    return this.#groups.get(gid) ?? String(gid);
  }
}

function rows(file: string, atLeast: number): string[][] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.split(':')).filter((cells) => cells.length >= atLeast);
  } catch {
    return [];
  }
}
