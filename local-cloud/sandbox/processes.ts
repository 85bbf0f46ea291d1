import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { identify, isAlive, type ProcessIdentity } from '#src/state/process-identity.js';

/** The only child of `unshare --fork`. Resolves once it exists, or with undefined if the parent ended first. */
export async function onlyChild(parent: number): Promise<ProcessIdentity | undefined> {
  for (;;) {
    const children = childrenOf(parent);
    if (children === undefined) return undefined;
    const child = children[0] === undefined ? undefined : identify(children[0]);
    if (child !== undefined) return child;
    await pause(2);
  }
}

/** Sends SIGKILL to a process, or to the group that it leads, and waits for its end. The pid of a dead one may be reused. */
export async function killAndWait(process_: ProcessIdentity, group: boolean): Promise<void> {
  if (isAlive(process_)) signal(group ? -process_.pid : process_.pid, 'SIGKILL');
  while (isAlive(process_)) await pause(5);
}

/** Returns false if there is no such process. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function childrenOf(pid: number): number[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return undefined;
  }
}
