import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** The measured processes share one core; client and sandbox share the other. */
export const MEASURED_CORE = 0;
export const LOAD_CORE = 1;

const possible = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Whether processes are pinned to cores in this run; without `taskset`, or with one core, they are not. */
export const pinned = possible;

/** Pins all threads of a process, current and future, to `core`; does nothing if it is undefined. @param {number} pid @param {number | undefined} core */
export function pin(pid, core) {
  if (possible && core !== undefined) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)]);
}
