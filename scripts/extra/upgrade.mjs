import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root, run, say, useOwnNpmCache } from '../prepare.mjs';

// An upgrade from the last release and back, gate by gate, with both versions on one store behind one Envoy, under load.

/** The last release; test/policy/fixtures/ has a state folder of it. */
const RELEASE = 'b245ba8';

await prepare();
process.env.OLDER_SANDGATE ||= built();
await run(process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/upgrade/vitest.config.ts',
  ...process.argv.slice(2),
]);

/** Its checkout, built in `.cache` on the first call. */
function built() {
  const folder = join(root, '.cache', `sandgate-${RELEASE}`);
  if (existsSync(folder)) return folder;
  const draft = `${folder}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const archive = spawnSync('git', ['archive', RELEASE], { cwd: root, maxBuffer: 1 << 28 });
  if (archive.status !== 0) {
    say(
      `the git history does not have ${RELEASE}\nfix: git fetch --unshallow, or name a built checkout of it in OLDER_SANDGATE`,
    );
    process.exit(1);
  }
  execFileSync('tar', ['-x', '-C', draft], { input: archive.stdout });
  say(`installing and building ${RELEASE} …`);
  useOwnNpmCache();
  const npm = (/** @type {string[]} */ ...args) =>
    execFileSync('npm', args, { cwd: draft, stdio: 'inherit' });
  npm('ci', '--no-audit', '--no-fund', '--silent');
  npm('run', '--silent', 'build');
  renameSync(draft, folder);
  return folder;
}
