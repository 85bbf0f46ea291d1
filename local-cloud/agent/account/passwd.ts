import { readFileSync } from 'node:fs';

export interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** `/etc/passwd`, read at each call: commands in a sandbox add users. Unreadable: no users. */
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

function rows(file: string, atLeast: number): string[][] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.map((line) => line.split(':')).filter((cells) => cells.length >= atLeast);
  } catch {
    return [];
  }
}
