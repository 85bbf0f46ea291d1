import { join } from 'node:path';
import { type EnvoyBinary, lookForEnvoy } from '../envoy/binary.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Settings } from '../settings.ts';

/** The Envoy that `dev` would run, unless it would have to be fetched. */
export function envoyOf(settings: Pick<Settings, 'envoy' | 'searchPath'>): Promise<EnvoyBinary | undefined> {
  return lookForEnvoy({
    named: settings.envoy,
    searchPath: settings.searchPath,
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: () => {},
  });
}
