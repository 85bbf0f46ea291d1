import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { prepare, root, run, say } from './prepare.mjs';
import { makeTestFolder, processesOf, removeTestFolder } from './test-folder.mjs';

// `npm test`: format, lint, types, then every test. Arguments go to vitest: `npm test -- test/policy`.
// The last line is `N passed, N failed, N skipped`.

/** Signals that end a run, with the exit code that a shell gives them. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
/** Grace period for processes that the last test stopped. */
const SETTLE_MS = 5000;

const args = process.argv.slice(2);
let folder;
try {
  folder = makeTestFolder(join(root, '.cache', 'tmp'));
} catch (error) {
  say(/** @type {Error} */ (error).message);
  process.exit(1);
}
process.env.TMPDIR = folder;
// Node 22 and later cache compiled modules, by default in the temporary folder, which is new for each run.
process.env.NODE_COMPILE_CACHE ??= join(root, '.cache', 'compiled');
// Cleans up however this process ends, except by SIGKILL.
process.on('exit', () => removeTestFolder(folder));
for (const [name, code] of Object.entries(SIGNALS)) process.on(name, () => process.exit(code));

await prepare();
await Promise.all([
  run(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.']),
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']),
]);

/** @type {{ passed: number, failed: number, skipped: number }} */
let counts = { passed: 0, failed: 0, skipped: 0 };
const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], {
  cwd: root,
  stdio: ['ignore', 1, 2, 'ipc'],
});
vitest.on('message', (message) => {
  counts = /** @type {typeof counts} */ (message);
});
const code = await new Promise((resolve) => vitest.once('exit', resolve));

let left = processesOf(folder);
for (const late = performance.now() + SETTLE_MS; left.length > 0 && performance.now() < late; ) {
  await pause(50);
  left = processesOf(folder);
}
for (const { pid, command } of left) say(`a test left process ${pid} behind: ${command}`);
const files = readdirSync(folder);
if (files.length > 0) say(`tests left files behind in the temporary folder: ${files.join(', ')}`);
// A file that could not be loaded has no failed test, and neither does an aborted run.
const broken = (code !== 0 && counts.failed === 0) || left.length + files.length > 0 ? 1 : 0;
const { passed, failed, skipped } = counts;
process.stdout.write(`${passed} passed, ${failed + broken} failed, ${skipped} skipped\n`);
process.exit(failed + broken > 0 ? 1 : 0);
