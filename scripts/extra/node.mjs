import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root, run, say, useOwnNpmCache } from '../prepare.mjs';

// `npm test` on another Node: `npm run test:extra -- node 24 [arguments of npm test]`. Node comes as a
// package from the registry. Packages are reinstalled for it, and again by the next `npm test`.
const [version, ...args] = process.argv.slice(2);
if (version === undefined || !/^\d+(\.\d+){0,2}$/.test(version)) {
  say(
    'usage: npm run test:extra -- node VERSION [arguments of npm test], such as `node 24` or `node 22.12.0`',
  );
  process.exit(2);
}
const folder = join(root, '.cache', 'node', version);
const bin = join(folder, 'node_modules', 'node', 'bin');
if (!existsSync(join(bin, 'node'))) {
  say(`fetching Node ${version} …`);
  mkdirSync(folder, { recursive: true });
  useOwnNpmCache();
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const { platform, arch } = process;
  const wanted = `node@npm:node-${platform}-${arch}@${version}`;
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', '--prefix', folder, wanted], {
    stdio: 'inherit',
  });
}
const node = join(bin, 'node');
const { version: exact } = JSON.parse(readFileSync(join(bin, '..', 'package.json'), 'utf8'));
say(`npm test on Node ${exact}`);
process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
await run(node, ['scripts/test.mjs', ...args]);
