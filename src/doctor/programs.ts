import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EnvoyBinary } from '../envoy/binary.ts';
import { type BootstrapSettings, loadBundledConfig, renderBootstrap } from '../envoy/bootstrap.ts';
import { capacityOf, filesFor } from '../envoy/capacity.ts';
import { validateBootstrap } from '../envoy/process.ts';
import { toSandgateError } from '../errors.ts';
import { type Finding, fail, failedBy, ok, warn } from './finding.ts';

const SOURCES: Readonly<Record<EnvoyBinary['from'], string>> = {
  named: 'named by SANDGATE_ENVOY',
  path: 'on PATH',
  cache: 'in the cache',
  fetched: 'fetched',
};

/** Checks whether there is an Envoy. `find` throws ENVOY_MISSING if the one that the settings name cannot be used. */
export async function checkEnvoy(
  find: () => Promise<EnvoyBinary | undefined>,
): Promise<{ finding: Finding; binary: EnvoyBinary | undefined }> {
  try {
    const binary = await find();
    if (binary !== undefined) {
      const { version, from, path } = binary;
      return { finding: ok('envoy', `${version}, ${SOURCES[from]}: ${path}`), binary };
    }
    const remedy = '`sandgate dev` fetches one at its first start; or name one in SANDGATE_ENVOY';
    return { finding: warn('envoy', 'none is named, on PATH or in the cache', remedy), binary };
  } catch (error) {
    return { finding: failedBy('envoy', error), binary: undefined };
  }
}

export interface EnvoyConfigOptions {
  binary: string;
  /** Gets a temporary folder in which it may make certificates. */
  settings(folder: string): Promise<BootstrapSettings>;
  /** Where to make that folder. */
  temporary: string;
}

/** Checks whether the real Envoy accepts the bundled config with these addresses. Does not listen on them. */
export async function checkEnvoyConfig({
  binary,
  settings,
  temporary,
}: EnvoyConfigOptions): Promise<Finding> {
  const folder = mkdtempSync(join(temporary, 'sandgate-envoy-'));
  try {
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, renderBootstrap(await loadBundledConfig(), await settings(folder)), { mode: 0o600 });
    validateBootstrap(binary, file);
    return ok('envoy config', 'valid: the real Envoy accepts it');
  } catch (error) {
    return failedBy('envoy config', error, 'check its addresses and certificates');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Checks whether Envoy may open enough files for as many connections as its heap allows. `dev` lowers its connection limit
 * otherwise, and a few clients with idle connections can use it up. `files` as `fileLimit` returns it.
 */
export function checkFileLimit(maxHeapMib: number, files: number): Finding {
  const { maxConnections } = capacityOf(maxHeapMib, files);
  const found = `ulimit -n is ${files === Number.POSITIVE_INFINITY ? 'unlimited' : files}: Envoy takes ${maxConnections} connections`;
  const needed = filesFor(maxHeapMib);
  if (files >= needed) return ok('file limit', found);
  return warn(
    'file limit',
    `${found}, fewer than its heap of ${maxHeapMib} MiB allows`,
    `raise the hard limit to ${needed} (\`ulimit -Hn\`, or LimitNOFILE= of the service), or lower SANDGATE_MAX_HEAP`,
  );
}

/** Checks Python 3 and pip, which are only used to fetch Envoy. `find` throws ENVOY_MISSING; `needed`: there is no Envoy yet. */
export async function checkPython(find: () => Promise<unknown>, needed: boolean): Promise<Finding> {
  try {
    await find();
    return ok('python', 'python3 with pip');
  } catch (error) {
    const { message, remedy } = toSandgateError(error);
    if (!needed) return ok('python', `${message}; not needed, because Envoy is installed`);
    return warn('python', message, remedy ?? 'install Python 3.10 or newer with pip');
  }
}

/** `version` such as `20.19.0`; `engines` such as `>=20.19`, the form that package.json has. */
export function checkNode(version: string, engines: string): Finding {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(engines)?.map(Number) ?? [];
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return ok('node', version);
  return fail('node', `${version}, but ${engines} is required`, 'install a newer Node.js');
}
