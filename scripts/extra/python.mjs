import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { root, run, say } from '../prepare.mjs';

// The tests that use Python, with another Python: fetching Envoy and the SDK, E2B's SDK and example, name resolution of `sandgate env`.
// `npm run test:extra -- python /path/to/python3.13`
const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  say('usage: npm run test:extra -- python PATH [arguments of npm test], such as `python /usr/bin/python3`');
  process.exit(2);
}
const bin = join(root, '.cache', 'python-on-path');
rmSync(bin, { recursive: true, force: true });
mkdirSync(bin, { recursive: true });
symlinkSync(resolve(program), join(bin, 'python3'));
process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
say(`tests that use Python, with ${execFileSync(program, ['--version'], { encoding: 'utf8' }).trim()}`);
// Fetched again by this Python.
rmSync(join(root, '.cache', 'sdk'), { recursive: true, force: true });
const tests = [
  'test/envoy/fetch-program',
  'test/dev/client-environment',
  'test/local-cloud/sdk',
  'test/docs/readme',
];
await run(process.execPath, ['scripts/test.mjs', ...(args.length > 0 ? args : tests)]);
