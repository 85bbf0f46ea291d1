import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, say } from './prepare.mjs';

/** E2B's SDKs that the examples and tests run, newest first: `npm` and `pypi` by registry. */
export const SDK_VERSIONS = /** @type {Record<'npm' | 'pypi', [string, ...string[]]>} */ (
  JSON.parse(readFileSync(join(root, 'examples', 'sdk-versions.json'), 'utf8'))
);

/**
 * The folder of one SDK, installed from its registry once: `node_modules` in it, or what PYTHONPATH takes.
 * @param {'npm' | 'pypi'} registry
 * @param {string} version
 */
export async function sdkFolder(registry, version) {
  const folder = join(root, '.cache', 'sdk', `${registry}-e2b-${version}`);
  if (existsSync(folder)) return folder;
  say(`installing e2b ${version} from ${registry} …`);
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    if (registry === 'npm') {
      writeFileSync(join(draft, 'package.json'), '{ "private": true }\n');
      const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
      await run('npm', ['install', ...quiet, '--prefix', draft, `e2b@${version}`]);
    } else {
      const quiet = [
        '--quiet',
        '--disable-pip-version-check',
        '--root-user-action=ignore',
        '--no-warn-conflicts',
      ];
      await run('python3', [
        '-m',
        'pip',
        'install',
        ...quiet,
        '--target',
        draft,
        `e2b==${version}`,
        'requests',
      ]);
    }
    // Another process may have been as fast.
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}
