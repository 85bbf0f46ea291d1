import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { prepare, root, say } from '../prepare.mjs';
import { listed, read } from '../test-folder.mjs';

// `npm test`, interrupted at random moments, must leave no process, folder, mount or cgroup behind.
// `npm run test:extra -- interrupt [--times 20] [--longest 90]`

const { values } = parseArgs({
  options: { times: { type: 'string', default: '20' }, longest: { type: 'string', default: '90' } },
});
const [times, longestSeconds] = [Number(values.times), Number(values.longest)];
/** Ctrl-C reaches every process of the terminal; `kill` reaches npm alone. */
const KINDS = /** @type {const} */ ([
  { name: 'Ctrl-C', signal: 'SIGINT', group: true },
  { name: 'SIGTERM to npm', signal: 'SIGTERM', group: false },
  { name: 'SIGINT to npm', signal: 'SIGINT', group: false },
  { name: 'the terminal closes', signal: 'SIGHUP', group: true },
]);

await prepare();
const before = traces();
let failed = 0;
/** @type {number | undefined} */
let running;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (running !== undefined) process.kill(-running, 'SIGTERM');
    process.exit(130);
  });
}
for (let n = 0; n < times; n++) {
  const kind = /** @type {typeof KINDS[number]} */ (KINDS[n % KINDS.length]);
  const afterMs = Math.round(500 + Math.random() * longestSeconds * 1000);
  const npm = spawn('npm', ['test'], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  running = npm.pid;
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => npm.once('exit', (code, signal) => resolve(signal ?? code)));
  const early = await Promise.race([ended.then(() => true), pause(afterMs, false)]);
  if (!early) process.kill(kind.group ? -(npm.pid ?? 0) : (npm.pid ?? 0), kind.signal);
  const how = await ended;
  // npm may exit a moment before the script that it runs.
  let left = traces().filter((trace) => !before.includes(trace));
  for (let tries = 0; left.length > 0 && tries < 100; tries++) {
    await pause(100);
    left = traces().filter((trace) => !before.includes(trace));
  }
  const tests = (output.match(/✓/g) ?? []).length;
  const result = left.length === 0 ? 'nothing left' : `LEFT ${left.join('; ')}`;
  say(
    `${n + 1}. ${kind.name} after ${(afterMs / 1000).toFixed(1)} s (${tests} files and slow tests done): ended with ${how}; ${result}`,
  );
  if (left.length > 0) failed++;
}
process.stdout.write(`${times - failed} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);

/** What a run of the tests may leave, in words. */
function traces() {
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith('sandgate-'));
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(
      (pid) =>
        read(`/proc/${pid}/environ`).includes(join(tmpdir(), 'sandgate-run-')) ||
        read(`/proc/${pid}/cmdline`).includes(root),
    )
    .map((pid) => `process ${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)}`);
  const mounts = read('/proc/self/mounts')
    .split('\n')
    .filter((line) => line.includes('sandgate-'));
  return [
    ...folders.map((name) => `folder ${name}`),
    ...processes,
    ...mounts.map((line) => `mount ${line}`),
    ...cgroups(),
  ];
}

function cgroups() {
  return read('/proc/self/cgroup')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [, controller = '', path = ''] = line.split(':');
      return [`/sys/fs/cgroup/${controller}${path}`, `/sys/fs/cgroup${path}`];
    })
    .flatMap((folder) =>
      listed(folder)
        // One that holds a process is of a sandbox that lives: another run's, or the process is listed.
        .filter((name) => name.startsWith('sandgate-') && read(`${folder}/${name}/cgroup.procs`) === '')
        .map((name) => `cgroup ${folder}/${name}`),
    );
}
