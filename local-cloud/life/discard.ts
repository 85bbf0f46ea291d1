import type { Entry } from './entry.ts';
import type { LifeOptions } from './life-options.ts';

type Parts = Pick<LifeOptions, 'sandboxes' | 'policies' | 'log'>;

/**
 * Ends a sandbox: its policy first, so that nobody is sent to one that is going. Resolves with whether the policy is
 * gone; where no gate answers it is to be tried again.
 */
export async function discard({ sandboxId }: Entry, { sandboxes, policies, log }: Parts): Promise<boolean> {
  const taken = await policies.delete(sandboxId).then(
    () => true,
    (error) => {
      log.warn({ sandboxId, err: error }, 'policy_not_deleted');
      return false;
    },
  );
  await sandboxes.get(sandboxId)?.end();
  return taken;
}
