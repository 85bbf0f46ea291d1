import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { root, say } from '../prepare.mjs';
import { read, removeTestFolder } from '../test-folder.mjs';

// `npm start`, the two example programs and `npm test` from fresh clones of HEAD with empty npm and pip caches, in every
// kind of folder and by every kind of user. Needs root on Linux; adds a user for the run and removes it.
// `npm run test:extra -- anywhere [--rows 1,2] [--tests "test/dev test/cli"] [--only-start]`

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    tests: { type: 'string', default: '' },
    'only-start': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const USER = `sandgate-${process.pid}`;
const LONG = 'a-folder-whose-name-makes-the-path-of-every-socket-in-it-too-long-to-listen-on';

/**
 * @typedef {object} Row
 * @property {'root' | 'user'} user
 * @property {string} folder below the user's home
 * @property {string} [says] in the table
 * @property {number} [mode] of the home
 * @property {boolean} [link] the checkout is entered by a symlink
 * @property {string} [umask]
 * @property {'missing' | 'read-only'} [home]
 * @property {'noexec' | 'full'} [tmp]
 * @property {'ipv6' | 'unshare' | 'ip' | 'user namespaces' | 'SYS_ADMIN' | 'cgroups'} [without]
 */
/** @type {Row[]} */
const ROWS = [
  { user: 'root', folder: 'open', mode: 0o755 },
  { user: 'root', folder: 'closed', says: 'below 0700' },
  { user: 'root', folder: 'with spaces, ümläuts and 漢字' },
  { user: 'root', folder: `${LONG}/${LONG}`, says: 'path of 200 bytes' },
  { user: 'root', folder: 'linked', link: true, says: 'by a symlink' },
  { user: 'root', folder: 'closed', tmp: 'noexec' },
  { user: 'root', folder: 'closed', umask: '077' },
  { user: 'root', folder: 'closed', home: 'missing' },
  { user: 'root', folder: 'closed', home: 'read-only' },
  { user: 'user', folder: 'open', mode: 0o755 },
  { user: 'user', folder: 'closed', says: 'below 0700' },
  { user: 'user', folder: 'with spaces, ümläuts and 漢字' },
  { user: 'user', folder: `${LONG}/${LONG}`, says: 'path of 200 bytes' },
  { user: 'user', folder: 'linked', link: true, says: 'by a symlink' },
  { user: 'user', folder: 'closed', tmp: 'noexec' },
  { user: 'user', folder: 'closed', umask: '077' },
  { user: 'user', folder: 'closed', home: 'missing' },
  { user: 'user', folder: 'closed', home: 'read-only' },
  { user: 'user', folder: 'closed', tmp: 'full' },
  { user: 'root', folder: 'closed', without: 'ipv6' },
  { user: 'user', folder: 'closed', without: 'ipv6' },
  { user: 'root', folder: 'closed', without: 'unshare' },
  { user: 'root', folder: 'closed', without: 'ip' },
  { user: 'user', folder: 'closed', without: 'user namespaces' },
  { user: 'root', folder: 'closed', without: 'SYS_ADMIN' },
  { user: 'root', folder: 'closed', without: 'cgroups' },
];

if (process.getuid?.() !== 0) {
  say('anywhere needs root: it runs the commands as several users and mounts temporary folders');
  process.exit(2);
}
const chosen = values.rows?.split(',').map(Number) ?? ROWS.map((_, index) => index + 1);
const base = mkdtempSync('/var/tmp/sandgate-anywhere-');
chmodSync(base, 0o755);
let userAdded = false;
/** Name of the network namespace, once there is one. */
let network = '';
process.on('exit', () => {
  if (!values.keep) removeTestFolder(base);
  if (network !== '') execFileSync('ip', ['netns', 'delete', network]);
  if (userAdded) execFileSync('userdel', [USER]);
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
execFileSync('useradd', [
  '--no-create-home',
  '--home-dir',
  join(base, 'nowhere'),
  '--shell',
  '/bin/bash',
  USER,
]);
userAdded = true;
const ids = { root: 0, user: Number(execFileSync('id', ['-u', USER], { encoding: 'utf8' })) };
const bundle = join(base, 'checkout.bundle');
execFileSync('git', ['-C', root, 'bundle', 'create', '--quiet', bundle, 'HEAD']);
chmodSync(bundle, 0o644);

const HEAD = '| # | user | folder | ready | Python | JavaScript | stopped | npm test | left behind |';
process.stdout.write(`${HEAD}\n|${' --- |'.repeat(9)}\n`);
let failed = 0;
for (const number of chosen) {
  const row = ROWS[number - 1];
  if (row === undefined) continue;
  const cells = await runRow(row, number);
  if (cells.some((cell) => cell.startsWith('FAILED'))) failed++;
  process.stdout.write(`| ${[number, row.user, describe(row), ...cells].join(' | ')} |\n`);
}
process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);

/** @param {Row} row */
function describe({ says, folder, umask, home, tmp, without }) {
  const more = [
    umask && `umask ${umask}`,
    home && `HOME ${home}`,
    tmp && `/tmp ${tmp}`,
    without && `without ${without}`,
  ].filter(Boolean);
  return more.length > 0 ? `below 0700, ${more.join(', ')}` : (says ?? folder);
}

/**
 * @param {Row} row
 * @param {number} number
 * @returns {Promise<string[]>}
 */
async function runRow(row, number) {
  const place = join(base, `row-${number}`);
  const home = join(place, 'home');
  const uid = ids[row.user];
  mkdirSync(place);
  mkdirSync(home, { mode: 0o700 });
  chmodSync(home, row.mode ?? 0o700);
  chownSync(home, uid, uid);
  const checkout = join(home, row.folder);
  const run = (/** @type {string} */ script, /** @type {string} */ cwd) =>
    start(row, place, uid, script, cwd);

  const clone = run(
    `mkdir -p "$(dirname "$1")" && git clone --quiet "${bundle}" "$1"`.replaceAll('$1', checkout),
    home,
  );
  if ((await clone.ended) !== 0) return [failure(clone.output())];
  let cwd = checkout;
  if (row.link) {
    cwd = join(home, 'link');
    symlinkSync(checkout, cwd);
  }
  // The registries are not reachable from there, so the packages are copied.
  if (row.without === 'ipv6') {
    execFileSync('cp', ['-a', join(root, 'node_modules'), join(root, '.cache'), checkout]);
    execFileSync('chown', ['-R', `${uid}:${uid}`, checkout]);
  }
  const cells = [];
  let since = performance.now();
  const seconds = () => `${((performance.now() - since) / 1000).toFixed(0)} s`;

  const stack = run('exec npm start', cwd);
  const ready = await Promise.race([
    shows(stack, /^sandgate ready .*$/m, 400),
    stack.ended.then(() => false),
  ]);
  cells.push(ready ? seconds() : failure(stack.output()));
  if (ready && /^sandgate: there is no local cloud: /m.test(stack.output())) {
    stack.signal('SIGTERM');
    cells.push('no cloud, and says so', '', `exit ${await stack.ended}`);
  } else if (ready) {
    const examples = /** @type {const} */ (['py', 'js']).map(async (language) => {
      const from = performance.now();
      const program = run(`exec npm run --silent example:${language}`, cwd);
      const both = await Promise.race([
        shows(program, /status 403\nstatus 200/, 200),
        program.ended.then(() => false),
      ]);
      const right = both || /status 403\nstatus 200/.test(program.output());
      // The JavaScript program hangs for a minute because of its background command's stream.
      program.signal('SIGTERM');
      await program.ended;
      return right
        ? `403, 200 (${((performance.now() - from) / 1000).toFixed(0)} s)`
        : failure(program.output());
    });
    cells.push(...(await Promise.all(examples)));
    since = performance.now();
    stack.signal('SIGTERM');
    const code = await stack.ended;
    cells.push(code === 0 ? `exit 0 (${seconds()})` : `FAILED: exit ${code}`);
  } else {
    await stack.ended;
    cells.push('', '', '');
  }
  if (values['only-start']) cells.push('');
  else {
    since = performance.now();
    const tests = run(`exec npm test -- ${values.tests}`, cwd);
    const code = await tests.ended;
    const line = /^\d+ passed, .*$/m.exec(tests.output())?.[0];
    const refused = /^sandgate: the temporary folder .* free; the tests need .*$/m.exec(tests.output())?.[0];
    if (row.tmp === 'full')
      cells.push(code === 1 && refused ? `refused: ${refused}` : `FAILED: ${last(tests.output())}`);
    else if (code === 0 && line) cells.push(`${line} (${seconds()})`);
    else {
      cells.push(`FAILED: ${line ?? last(tests.output())}`);
      process.stderr.write(tests.output().slice(-20_000));
    }
  }
  const files = readdirSync(join(place, 'tmp')).filter((name) => name.startsWith('sandgate-'));
  const left = [...processesIn(place), ...files.map((name) => `/tmp/${name}`)];
  cells.push(left.length === 0 ? 'nothing' : `FAILED: ${left.join('; ')}`);
  if (!values.keep) rmSync(place, { recursive: true, force: true, maxRetries: 20 });
  return cells;
}

/**
 * Runs a script as the row's user, with only PATH and the registry settings of this environment.
 * @param {Row} row
 * @param {string} place
 * @param {number} uid
 * @param {string} script
 * @param {string} cwd
 */
function start(row, place, uid, script, cwd) {
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(PATH|.*_CA_.*|SSL_.*|PIP_.*|.*_proxy|npm_config_registry)$/i.test(name),
  );
  const home =
    row.home === 'missing'
      ? join(place, 'no-home')
      : join(place, row.home === 'read-only' ? 'read-only' : 'home');
  const env = Object.fromEntries(kept);
  Object.assign(env, { HOME: home, LANG: 'C.UTF-8', SHELL: '/bin/bash' });
  for (const name of ['HTTP', 'HTTPS', 'OPS']) env[`SANDGATE_${name}`] = '127.0.0.1:0';
  const temporary = join(place, 'tmp');
  mkdirSync(temporary, { recursive: true });
  chmodSync(temporary, 0o1777);
  for (const name of ['read-only', 'other-root']) mkdirSync(join(place, name), { recursive: true });
  const steps = [];
  if (row.tmp === undefined) steps.push(`mount --bind "${temporary}" /tmp`);
  else {
    const size = row.tmp === 'full' ? 'size=64k' : 'size=4g,noexec';
    steps.push(`mount -t tmpfs -o mode=1777,${size} tmpfs /tmp`);
    if (row.tmp === 'full') steps.push('head -c 1m /dev/zero >/tmp/full 2>/dev/null; true');
  }
  if (row.home === 'read-only')
    steps.push(`mount --bind -o ro "${join(place, 'read-only')}" "${join(place, 'read-only')}"`);
  if (row.without === 'cgroups')
    steps.push(
      'mount --rbind -o ro /sys/fs/cgroup /sys/fs/cgroup',
      'mount -o remount,ro,bind /sys/fs/cgroup',
    );
  if (row.without === 'unshare' || row.without === 'ip') env.PATH = programsWithout(row.without, place);
  const become = [
    // A process in a chroot cannot create user namespaces.
    row.without === 'user namespaces' && `mount --rbind / "${temporary}" && exec chroot "${temporary}"`,
    row.without === 'SYS_ADMIN' && 'exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin',
    uid !== 0 &&
      `${row.without === 'user namespaces' ? '' : 'exec '}setpriv --reuid ${uid} --regid ${uid} --clear-groups`,
  ].filter(Boolean);
  const enter =
    row.without === 'user namespaces'
      ? 'bash -c \'cd "$1" && exec bash -c "$0"\' "$0" "$PWD"'
      : 'bash -c "$0"';
  steps.push(`umask ${row.umask ?? '022'}`, `cd "${cwd}"`, `${become.join(' ') || 'exec'} ${enter}`);
  const inNetwork = row.without === 'ipv6' ? [`--net=/run/netns/${withoutIpv6()}`] : [];
  const child = spawn(
    '/usr/bin/nsenter',
    [...inNetwork, '/usr/bin/unshare', '--mount', '/bin/bash', '-c', steps.join(' && '), script],
    { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  return {
    output: () => output,
    /** @param {NodeJS.Signals} name */
    signal: (name) => void (child.exitCode === null && child.kill(name)),
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code))),
  };
}

/** A network namespace with a loopback that has no IPv6; every command of a row is in the same one. */
function withoutIpv6() {
  if (network === '') {
    const name = `sandgate-${process.pid}`;
    execFileSync('ip', ['netns', 'add', name]);
    network = name;
    const setUp = 'ip link set lo up && echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6';
    execFileSync('ip', ['netns', 'exec', name, 'sh', '-c', setUp]);
  }
  return network;
}

/**
 * A folder with every program of the system except one.
 * @param {string} missing
 * @param {string} place
 */
function programsWithout(missing, place) {
  const folder = join(place, 'programs');
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  for (const from of (process.env.PATH ?? '').split(':').filter(existsSync)) {
    for (const name of readdirSync(from)) {
      if (name !== missing && !existsSync(join(folder, name)))
        symlinkSync(join(from, name), join(folder, name));
    }
  }
  return folder;
}

/**
 * @param {{ output(): string }} program
 * @param {RegExp} text
 * @param {number} withinSeconds
 */
async function shows(program, text, withinSeconds) {
  for (const until = performance.now() + withinSeconds * 1000; performance.now() < until; ) {
    if (text.test(program.output())) return true;
    await pause(100);
  }
  return false;
}

/** @param {string} folder */
function processesIn(folder) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
      return (command + read(`/proc/${pid}/environ`)).includes(folder)
        ? [`process ${pid} ${command.slice(0, 80)}`]
        : [];
    });
}

/**
 * Short text for a cell of the table; the whole output goes to stderr.
 * @param {string} output
 */
function failure(output) {
  process.stderr.write(output.slice(-20_000));
  return `FAILED: ${last(output)}`;
}

/** @param {string} output */
function last(output) {
  return (output.trim().split('\n').at(-1) ?? '').slice(0, 300);
}
