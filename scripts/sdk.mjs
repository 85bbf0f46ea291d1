import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root, say, useOwnNpmCache } from './prepare.mjs';

const execute = promisify(execFile);

/** E2B's SDKs that the examples and tests run, newest first, by registry. */
export const SDK_VERSIONS = /** @type {Record<'npm' | 'pypi', [string, ...string[]]>} */ (
  JSON.parse(readFileSync(join(root, 'examples', 'sdk-versions.json'), 'utf8'))
);

/**
 * The folder of E2B's SDK at this exact version, fetched once from its registry with the dependencies and hashes of
 * `examples/sdk/`, so that an example never runs what nobody has looked at. It contains `node_modules`, or is an
 * entry for PYTHONPATH. It is not a dependency, so that the tests run what users install.
 * @param {'npm' | 'pypi'} registry
 * @param {string} version
 */
export async function sdkFolder(registry, version) {
  const cache = join(root, '.cache', 'sdk');
  const locks = join(root, 'examples', 'sdk');
  const folder = join(cache, `${registry}-e2b-${version}`);
  if (existsSync(folder)) return folder;
  say(`fetching e2b ${version} from ${registry} …`);
  mkdirSync(cache, { recursive: true });
  // Created next to the target and then moved, because two processes may do this at once, and one may be killed halfway.
  const draft = mkdtempSync(join(cache, 'fetching-'));
  try {
    if (registry === 'npm') {
      useOwnNpmCache();
      const lock = readFileSync(join(locks, `npm-${version}-lock.json`), 'utf8');
      writeFileSync(join(draft, 'package-lock.json'), lock);
      writeFileSync(join(draft, 'package.json'), JSON.stringify(JSON.parse(lock).packages['']));
      const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--silent', '--prefix', draft];
      await execute('npm', ['ci', ...options]);
    } else {
      const options = ['--quiet', '--disable-pip-version-check', '--no-warn-conflicts', '--target', draft];
      const lock = join(locks, `pypi-${version}-requirements.txt`);
      await execute('python3', ['-m', 'pip', 'install', ...options, '--require-hashes', '-r', lock]);
    }
    renameSync(draft, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}
