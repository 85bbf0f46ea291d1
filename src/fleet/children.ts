import { SandgateError } from '../errors.ts';
import { identify, isAlive, kill, type ProcessIdentity } from '../server/process-identity.ts';
import { type DevRun, removeRun, type SupervisorRun, writeRun } from '../server/run-file.ts';

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
