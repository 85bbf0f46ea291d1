import { isAlive } from '../server/process-identity.ts';
import type { Run } from '../server/run-file.ts';
import { type Finding, ok, warn } from './finding.ts';

const NEXT_START = 'the next start of `sandgate dev` or of several gates on this state folder clears them';

/** Run files of processes that ended without saying so, and what a killed stack left running. */
export function checkLeftovers(runs: readonly Run[]): Finding {
  const dead = runs.filter((run) => !isAlive(run));
  const orphans = dead.flatMap((run) => (run.kind === 'gate' ? [] : run.children.filter(isAlive)));
  if (orphans.length > 0) {
    const pids = orphans.map(({ pid }) => pid).join(', ');
    return warn('leftovers', `a stack that was killed left processes running: ${pids}`, NEXT_START);
  }
  if (dead.length === 0) return ok('leftovers', 'none');
  const files = dead.map(({ pid }) => `run/${pid}.json`).join(', ');
  return warn('leftovers', `run files of processes that are gone: ${files}`, NEXT_START);
}
