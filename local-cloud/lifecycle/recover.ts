import type { LifeOptions } from './life.ts';

/** Ends what a killed predecessor left: its policies first, then processes, mounts, files. Before the first create. */
export async function recover(
  parts: Pick<LifeOptions, 'sandboxes' | 'policies' | 'table' | 'log'>,
): Promise<void> {
  const { sandboxes, policies, table, log } = parts;
  const left = table.all();
  for (const { sandboxId } of left) await policies.delete(sandboxId);
  const ended = await sandboxes.recover();
  for (const { sandboxId } of left) table.remove(sandboxId);
  if (left.length + ended.length > 0) log.warn({ sandboxes: left.length }, 'leftovers_ended');
}
