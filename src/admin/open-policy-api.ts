import { tmpdir } from 'node:os';
import type { Logger } from '../observe/logger.ts';
import type { Settings } from '../settings.ts';
import { readKeysFile } from './api-keys.ts';
import type { AdminListener } from './listener.ts';
import { adminPlace } from './place.ts';
import type { PolicyAdmin } from './policy-admin.ts';

/** The policy API where the settings put it; undefined where they say `off`. Throws as its listener does. */
export async function openPolicyApi(
  settings: Settings,
  admin: PolicyAdmin,
  log: Logger,
): Promise<AdminListener | undefined> {
  const { admin: at, adminKeysFile, adminHosts: hosts, stateDir } = settings;
  if (at === undefined) return undefined;
  // The commands share this file, and most of them need no HTTP server: it costs 100 ms of CPU to load.
  const { startPolicyApi } = await import('./policy-api.ts');
  const keys = [...settings.adminKeys, ...(adminKeysFile === undefined ? [] : readKeysFile(adminKeysFile))];
  const onFault = (error: unknown) => log.error({ err: error }, 'policy_api_fault');
  const { listen, spare } = adminPlace(at, stateDir, process.pid, tmpdir());
  return startPolicyApi({ admin, listen, spare, keys, hosts, onFault });
}
