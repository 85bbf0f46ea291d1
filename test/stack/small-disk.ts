import { execFileSync } from 'node:child_process';

/** A way to run programs whose `folder` lies on a disk of half a megabyte. */
export interface SmallDisk {
  kind: string;
  /** Runs the program that comes after it, which sees the disk. */
  wrap: readonly string[];
  /** Runs another program that sees the disk of the first, whose pid this is. */
  join(pid: number): readonly string[];
}

/**
 * A file system of its own where this user may mount one; else a limit on the size of the files that it writes, which
 * SQLite meets the same way.
 */
export function smallDisk(folder: string): SmallDisk {
  try {
    execFileSync('unshare', ['-Urm', 'true'], { stdio: 'ignore' });
  } catch {
    const wrap = ['bash', '-c', 'ulimit -f 512; exec "$0" "$@"'];
    return { kind: 'ulimit -f', wrap, join: () => wrap };
  }
  const mount = `mount -t tmpfs -o size=512k tmpfs '${folder}' && exec "$0" "$@"`;
  return {
    kind: 'tmpfs',
    wrap: ['unshare', '-Urm', 'sh', '-c', mount],
    join: (pid) => ['nsenter', `--target=${pid}`, '--user', '--mount', '--preserve-credentials'],
  };
}
