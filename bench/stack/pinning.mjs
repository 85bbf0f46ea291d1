import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** What is measured shares one core; what drives it and what answers it has another. */
export const MEASURED_CORE = 0;
export const LOAD_CORE = 1;

const possible = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Whether processes keep to their cores in this run; without `taskset`, or with one core, they do not. */
export const pinned = possible;

/** All threads of a process, and those that it starts; undefined: wherever it likes. @param {number} pid @param {number | undefined} core */
export function pin(pid, core) {
  if (possible && core !== undefined) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)]);
}
