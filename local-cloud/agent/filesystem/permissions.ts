import { constants } from 'node:fs';

const KINDS = new Map([
  [constants.S_IFDIR, 'd'],
  [constants.S_IFLNK, 'L'],
  [constants.S_IFBLK, 'D'],
  [constants.S_IFCHR, 'Dc'],
  [constants.S_IFIFO, 'p'],
  [constants.S_IFSOCK, 'S'],
]);
/** Go writes these behind the kind, in this order. */
const SPECIAL: readonly [number, string][] = [
  [0o4000, 'u'],
  [0o2000, 'g'],
  [0o1000, 't'],
];

/** `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, `dtrwxrwxrwx`: a mode as Go's FileMode writes it, which is what SDKs show. */
export function permissionsText(mode: number): string {
  const kind = KINDS.get(mode & constants.S_IFMT) ?? '';
  const special = SPECIAL.filter(([bit]) => mode & bit).map(([, letter]) => letter);
  const rights = 'rwxrwxrwx'.replace(/./g, (letter, at: number) => (mode & (1 << (8 - at)) ? letter : '-'));
  return `${kind + special.join('') || '-'}${rights}`;
}
