import { execFileSync } from 'node:child_process';

/** Runs programs with `folder` on a disk of half a megabyte. */
export interface SmallDisk {
  kind: string;
  /** Command prefix that runs a program with the disk. */
  wrap: readonly string[];
  /** Command prefix that runs another program with the disk of the first, whose pid this is. */
  join(pid: number): readonly string[];
}

/**
 * A separate file system if this user may mount one; otherwise a limit on the size of written files, to which SQLite reacts
 * in the same way.
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
