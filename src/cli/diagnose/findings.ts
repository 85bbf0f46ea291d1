import { join } from 'node:path';
import type { Finding } from '../../doctor/finding.ts';
import { type EnvoyBinary, findInstalledEnvoy } from '../../envoy/binary.ts';
import { SandgateError } from '../../errors.ts';
import { PACKAGE_ROOT } from '../../package-root.ts';
import type { Settings } from '../../settings.ts';
import { type Io, print } from '../io.ts';

/** A line each, and what to do under those that are not ok. */
export function printFindings(io: Io, findings: readonly Finding[]): void {
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { level, check, found, remedy } of findings) {
    print(io, `${level.padEnd(4)}  ${check.padEnd(width)}  ${found}`);
    if (remedy !== undefined) print(io, `      ${' '.repeat(width)}  -> ${remedy}`);
  }
}

/** Throws CHECKS_FAILED where one failed; a warning is no failure. */
export function refuseFailures(findings: readonly Finding[]): void {
  const failed = findings.filter(({ level }) => level === 'fail').map(({ check }) => check);
  if (failed.length === 0) return;
  throw new SandgateError('CHECKS_FAILED', `${failed.length} failed: ${failed.join(', ')}`, {
    remedy: 'see what each of them says',
  });
}

/** The Envoy that `dev` would run, unless it would have to be fetched. */
export function envoyOf(settings: Pick<Settings, 'envoy' | 'searchPath'>): Promise<EnvoyBinary | undefined> {
  return findInstalledEnvoy({
    named: settings.envoy,
    searchPath: settings.searchPath,
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: () => {},
  });
}
