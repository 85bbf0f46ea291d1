import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { identify, isAlive, kill, type ProcessIdentity } from '../state/process-identity.ts';
import { type DevRun, readRuns, removeRun, type SupervisorRun, writeRun } from '../state/run-file.ts';

/** The child processes of this process, recorded on disk so that the next start can end them if this one is killed. */
export interface Children {
  add(pid: number): void;
  /** Writes the record again, after the rest of its content has changed. */
  write(): void;
  /** Kills all of them and returns at once. */
  killAll(): void;
  /** Removes the record. */
  forget(): void;
}

/** `runOf` returns the whole run file of this process. Throws STATE_UNUSABLE. */
export function recordChildren(
  stateDir: string,
  runOf: (own: ProcessIdentity & { children: readonly ProcessIdentity[] }) => DevRun | SupervisorRun,
): Children {
  const self = identify(process.pid);
  if (self === undefined) throw new SandgateError('INTERNAL', 'cannot find out when this process started');
  let children: ProcessIdentity[] = [];
  const write = () => writeRun(stateDir, runOf({ ...self, children }));
  write();
  return {
    add(pid) {
      const child = identify(pid);
      if (child === undefined) return;
      children = [...children.filter(isAlive), child];
      write();
    },
    write,
    killAll: () => children.forEach(kill),
    forget: () => removeRun(stateDir, self.pid),
  };
}

/** Ends the children of killed parents in this state folder, by pid and start time, and removes stale run files. */
export async function endOrphans(stateDir: string, notice: (line: string) => void): Promise<void> {
  for (const run of readRuns(stateDir)) {
    if (isAlive(run)) continue;
    if (run.kind !== 'gate') {
      const orphans = run.children.filter(isAlive);
      if (orphans.length > 0) notice(`ending ${orphans.length} process(es) that the last start left behind`);
      await Promise.all(orphans.map(end));
    }
    removeRun(stateDir, run.pid);
  }
}

/** Kills at once: the parent is gone, so there is nothing to drain for, and the new start needs the same addresses. */
async function end(process_: ProcessIdentity): Promise<void> {
  kill(process_);
  while (isAlive(process_)) await pause(5);
}
