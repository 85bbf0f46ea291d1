import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { findEnvoy } from '../../dist/envoy/binary.js';
import { loadBundledConfig, renderBootstrap } from '../../dist/envoy/bootstrap.js';
import { startEnvoy } from '../../dist/envoy/process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const GATES = [0, 1];

/**
 * One Envoy, two gates over the embedded store and a sandbox that answers `hello`: what `dev` runs, on free ports.
 * @param {(line: string) => void} onProgress
 */
export async function startLiveStack(onProgress) {
  const dir = mkdtempSync(join(tmpdir(), 'sandgate-bench-'));
  /** @type {(() => unknown)[]} */
  const undo = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const sandbox = createServer((_request, response) => response.end('hello'));
    await new Promise((resolve) => sandbox.listen(0, '127.0.0.1', () => resolve(undefined)));
    undo.push(
      () => sandbox.closeAllConnections(),
      () => sandbox.close(),
    );
    const { port: sandboxPort } = /** @type {import('node:net').AddressInfo} */ (sandbox.address());

    const { path: binary } = await findEnvoy({
      named: process.env.SANDGATE_ENVOY,
      searchPath: process.env.PATH ?? '',
      cacheDir: join(root, '.cache'),
      platform: process.platform,
      arch: process.arch,
      onProgress,
    });
    const gates = GATES.map((n) => ({ path: join(dir, 'check', `gate-${n}.sock`) }));
    const adminSocket = join(dir, 'admin.sock');
    const configFile = join(dir, 'envoy.yaml');
    const config = { http: [{ host: '127.0.0.1', port: 0 }], https: [], gates, admin: { path: adminSocket } };
    mkdirSync(dir, { recursive: true });
    writeFileSync(configFile, renderBootstrap(await loadBundledConfig(), config));
    const files = { log: join(dir, 'envoy.log'), accessLog: join(dir, 'access.log') };
    const envoy = await startEnvoy({ binary, configFile, adminSocket, concurrency: 1, ...files });
    undo.push(() => envoy.stop(2000));
    const http = /** @type {import('../../dist/address.js').Address} */ (envoy.addresses.http[0]);
    const listeners = `--own-listeners=${http.host}:${http.port}`;
    await Promise.all(gates.map(({ path }) => startGate(dir, path, listeners, undo)));
    await envoy.waitForGate(20_000);

    /** @param {string[]} args @param {string} [input] */
    const sandgate = (args, input) => command([...args, '--state-dir', dir], input);
    return { dir, port: http.port, sandboxPort, sandgate, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {string} dir @param {string} socket @param {string} listeners @param {(() => unknown)[]} undo */
async function startGate(dir, socket, listeners, undo) {
  const flags = ['--ops=127.0.0.1:0', '--sandbox-cidrs=127.0.0.0/8', '--drain=0', listeners];
  const args = [join(root, 'bin', 'sandgate.js'), 'serve', `--state-dir=${dir}`, `--listen=unix:${socket}`];
  const child = spawn(process.execPath, [...args, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const log = text(child.stderr);
  undo.push(() => {
    child.kill('SIGKILL');
    return exited;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('sandgate ready')) return;
  }
  throw new Error(`the gate did not start: ${await log}`);
}

/**
 * Runs a command as a user would, and returns its stdout.
 * @param {string[]} args @param {string} [input]
 * @returns {Promise<string>}
 */
async function command(args, input = '') {
  const child = spawn(process.execPath, [join(root, 'bin', 'sandgate.js'), ...args]);
  child.stdin.end(input);
  const exited = new Promise((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (code !== 0) throw new Error(`sandgate ${args[0]} ${args[1]}: ${stderr}`);
  return stdout;
}
