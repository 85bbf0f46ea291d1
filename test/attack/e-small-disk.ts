import { execFileSync } from 'node:child_process';

/** A way to run a program whose `folder` lies on a disk of half a megabyte. */
export interface SmallDisk {
  kind: string;
  /** Runs the program that comes after it. */
  wrap: readonly string[];
  /** The folder as this process reaches it, once the program with that pid runs. */
  reach(pid: number): string;
}

/**
 * A file system of its own where this user may mount one; else a limit on the size of the files that it writes, which
 * SQLite meets the same way.
 */
export function smallDisk(folder: string): SmallDisk {
  try {
    execFileSync('unshare', ['-Urm', 'true'], { stdio: 'ignore' });
  } catch {
    return { kind: 'ulimit -f', wrap: ['bash', '-c', 'ulimit -f 512; exec "$0" "$@"'], reach: () => folder };
  }
  const mount = `mount -t tmpfs -o size=512k tmpfs '${folder}' && exec "$0" "$@"`;
  return {
    kind: 'tmpfs',
    wrap: ['unshare', '-Urm', 'sh', '-c', mount],
    reach: (pid) => `/proc/${pid}/root${folder}`,
  };
}
