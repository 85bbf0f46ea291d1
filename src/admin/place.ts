import { join } from 'node:path';
import type { Address } from '../address.ts';
import { socketPath } from '../server/socket-path.ts';

/**
 * Where a policy API listens. `spare`: another gate of the state folder may have the place that nobody chose; the
 * run file names this one's.
 */
export function adminPlace(
  at: { path: string } | Address,
  stateDir: string,
  pid: number,
  temporary: string,
): { listen: { path: string } | Address; spare: string | undefined } {
  if ('host' in at) return { listen: at, spare: undefined };
  const inState = (name: string) => socketPath(join(stateDir, 'admin', name), temporary);
  const path = socketPath(at.path, temporary);
  return {
    listen: { path },
    spare: path === inState('policy.sock') ? inState(`policy-${pid}.sock`) : undefined,
  };
}
