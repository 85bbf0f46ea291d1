import { readFileSync } from 'node:fs';

/**
 * Whether root here may become this id: in a user namespace only mapped ids exist, and setuid to another one fails.
 * `file` is `/proc/self/uid_map` or `gid_map`: rows of first inside, first outside, count.
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
