import { join } from 'node:path';
import type { Finding } from '../../doctor/finding.ts';
import type { EnvoyBinary } from '../../envoy/binary.ts';
import { SandgateError } from '../../errors.ts';
import { PACKAGE_ROOT } from '../../package-root.ts';
import type { Settings } from '../../settings.ts';
import { type Io, print } from '../io.ts';

/** Prints one line per finding, and the remedy below those that are not ok. */
export function printFindings(io: Io, findings: readonly Finding[]): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { level, check, found, remedy } of findings) {
    print(io, `${level.padEnd(4)}  ${check.padEnd(width)}  ${found}`);
    if (remedy !== undefined) print(io, `      ${' '.repeat(width)}  -> ${remedy}`);
  }
}

/** Throws CHECKS_FAILED if a check failed; a warning is not a failure. */
export function refuseFailures(findings: readonly Finding[]): void {
  const failed = findings.filter(({ level }) => level === 'fail').map(({ check }) => check);
  if (failed.length === 0) return;
  throw new SandgateError('CHECKS_FAILED', `${failed.length} failed: ${failed.join(', ')}`, {
    remedy: 'see the remedy of each finding',
  });
}

/** The Envoy that `dev` would run; undefined if it would have to be downloaded. */
export async function envoyOf(
  settings: Pick<Settings, 'envoy' | 'searchPath'>,
): Promise<EnvoyBinary | undefined> {
  const { findInstalledEnvoy } = await import('../../envoy/binary.ts');
  return findInstalledEnvoy({
    named: settings.envoy,
    searchPath: settings.searchPath,
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: () => {},
  });
}
