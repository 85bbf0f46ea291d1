import { join } from 'node:path';
import type { Address } from '../address.ts';
import { socketPlace } from '../server/socket-path.ts';

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
  const short = (path: string) => socketPlace({ path, access: 'private' }, temporary).path;
  const inState = (name: string) => short(join(stateDir, 'admin', name));
  const path = short(at.path);
  return {
    listen: { path },
    spare: path === inState('policy.sock') ? inState(`policy-${pid}.sock`) : undefined,
  };
}
