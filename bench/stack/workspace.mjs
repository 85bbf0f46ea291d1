import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A folder, and the steps to undo at the end, last one first.
 * @typedef {{ dir: string, undo(step: () => unknown): void, stop(): Promise<void> }} Workspace
 */

/**
 * Runs `work` in a workspace that is removed afterwards in every case; Ctrl-C counts as a failure.
 * @template T @param {(workspace: Workspace) => Promise<T>} work
 */
export async function inWorkspace(work) {
  const dir = mkdtempSync(join(tmpdir(), 'sandgate-bench-'));
  /** @type {(() => unknown)[]} */
  const steps = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of steps.splice(0).reverse()) await step();
  };
  const interrupted = () => void stop().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await work({ dir, undo: (step) => void steps.push(step), stop });
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await stop();
  }
}
