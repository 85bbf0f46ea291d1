import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { identify, isAlive, kill, type ProcessIdentity } from '../state/process-identity.ts';
import { type DevRun, readRuns, removeRun, type SupervisorRun, writeRun } from '../state/run-file.ts';

/** The record of what a process started, kept on disk so that the next start can end it if this one is killed. */
export interface Children {
  add(pid: number): void;
  /** Writes the record again, since what is told beside the children has changed. */
  write(): void;
  /** Without grace; returns at once. */
  killAll(): void;
  forget(): void;
}

/** `runOf`: the whole run file of this process. Throws STATE_UNUSABLE. */
export function recordChildren(
  stateDir: string,
  runOf: (own: ProcessIdentity & { children: readonly ProcessIdentity[] }) => DevRun | SupervisorRun,
): Children {
  const self = identify(process.pid);
  if (self === undefined) throw new SandgateError('INTERNAL', 'cannot tell when this process started');
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

/** Ends what a killed parent left running in this state folder, by pid and start time, and clears old run files. */
export async function endOrphans(stateDir: string, notice: (line: string) => void): Promise<void> {
  for (const run of readRuns(stateDir)) {
    if (isAlive(run)) continue;
    if (run.kind !== 'gate') {
      const left = run.children.filter(isAlive);
      if (left.length > 0) notice(`ending ${left.length} process(es) that the last start left behind`);
      await Promise.all(left.map(end));
    }
    removeRun(stateDir, run.pid);
  }
}

/** No grace: nobody drains for a parent that is already gone, and its places are needed now. */
async function end(process_: ProcessIdentity): Promise<void> {
  kill(process_);
  while (isAlive(process_)) await pause(5);
}
