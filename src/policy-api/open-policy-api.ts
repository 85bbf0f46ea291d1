import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '../address.ts';
import type { Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { resolveSocketPath } from '../state/socket-path.ts';
import { readKeysFile } from './keys-file.ts';
import type { ApiListener } from './listener.ts';
import type { PolicyAdmin } from './policy-admin.ts';

/** Opens the policy API that the settings describe; undefined if they say `off`. Throws as its listener does. */
export async function openPolicyApi(
  settings: Settings,
  admin: PolicyAdmin,
  log: Logger,
): Promise<ApiListener | undefined> {
  const { policyApi: at, policyApiKeysFile, policyApiHosts: hosts, stateDir } = settings;
  if (at === undefined) return undefined;
  // Loaded only if needed: the HTTP server takes 100 ms of CPU to load, and most commands do not use it.
  const { startPolicyApi } = await import('./policy-api.ts');
  const keys = [
    ...settings.policyApiKeys,
    ...(policyApiKeysFile === undefined ? [] : readKeysFile(policyApiKeysFile)),
  ];
  const onFault = (error: unknown) => log.error({ err: error }, 'policy_api_fault');
  const { listen, spare } = listenAddress(at, stateDir, process.pid, tmpdir());
  return startPolicyApi({ admin, listen, spare, keys, hosts, onFault });
}

/**
 * Where a policy API listens. `spare` is used if another gate of the state folder has the default socket; clients
 * find either in the run file.
 */
function listenAddress(
  at: Endpoint,
  stateDir: string,
  pid: number,
  temporary: string,
): { listen: Endpoint; spare: string | undefined } {
  if ('host' in at) return { listen: at, spare: undefined };
  const short = (path: string) => resolveSocketPath({ path, access: 'private' }, temporary).path;
  const inState = (name: string) => short(join(stateDir, 'policy-api', name));
  const path = short(at.path);
  return {
    listen: { path },
    spare: path === inState('policy.sock') ? inState(`policy-${pid}.sock`) : undefined,
  };
}
