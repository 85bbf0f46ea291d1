import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { findEnvoy } from '../dist/envoy/binary.js';
import { renderBootstrap } from '../dist/envoy/bootstrap.js';
import { loadBundledConfig } from '../dist/envoy/bundled-config.js';
import { startEnvoy } from '../dist/envoy/process.js';

/**
 * What is measured: the pids whose CPU counts, and what the load asks for.
 * @typedef {{ envoy: number, gate: number | undefined, target: { port: number, host: string, headers: string } }} Subject
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const TOKEN = '8af02a375695377b6884b2a1236fdeb3667a848881b2280e56bd634a69e348de';

/**
 * Three Envoys with the bundled config: one asks a gate, one a gate that is not observed (no metrics, no decision log),
 * and one has the gate's filters taken out. All stand in front of the same sandbox: one more Envoy that answers at once,
 * since a server in Node would be the slowest part.
 * @param {(line: string) => void} onProgress
 */
export async function startSubjects(onProgress) {
  const dir = mkdtempSync(join(tmpdir(), 'sandgate-bench-'));
  /** @type {(() => unknown)[]} */
  const undo = [() => rmSync(dir, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { path: binary } = await findEnvoy({
      named: process.env.SANDGATE_ENVOY,
      searchPath: process.env.PATH ?? '',
      cacheDir: join(root, '.cache'),
      platform: process.platform,
      arch: process.arch,
      onProgress,
    });
    const source = await loadBundledConfig();
    /** @param {string} name */
    const socketOf = (name) => join(dir, name, 'check', 'gate.sock');
    /** @param {string} name @param {(text: string) => string} edit */
    const envoy = async (name, edit) => {
      const folder = join(dir, name);
      mkdirSync(folder);
      const adminSocket = join(folder, 'admin.sock');
      const bundled = renderBootstrap(source, {
        http: [{ host: '127.0.0.1', port: 0 }],
        https: [],
        gates: [{ path: socketOf(name) }],
        admin: { path: adminSocket },
      });
      const configFile = join(folder, 'envoy.yaml');
      writeFileSync(configFile, edit(bundled));
      const files = { log: join(folder, 'envoy.log'), accessLog: join(folder, 'access.log') };
      const started = await startEnvoy({ binary, configFile, adminSocket, concurrency: 1, ...files });
      undo.push(() => started.stop(2000));
      return { ...started, port: started.addresses.http[0]?.port ?? 0 };
    };

    const sandbox = await envoy('sandbox', answerAtOnce);
    const gated = await envoy('gated', (text) => text);
    const unobserved = await envoy('unobserved', (text) => text);
    const open = await envoy('open', (text) => withoutGate(text, sandbox.port));
    const gate = await startGate([join(root, 'bin', 'sandgate.js'), 'serve'], join(dir, 'gated'), undo);
    const bare = await startGate([join(root, 'bench', 'unobserved-gate.mjs')], join(dir, 'unobserved'), undo);
    await gated.waitForGate(20_000);
    await unobserved.waitForGate(20_000);
    const target = {
      host: `${sandbox.port}-bench.e2b.localhost`,
      headers: `e2b-traffic-access-token: ${TOKEN}\r\n`,
    };
    return {
      /** @type {Subject} */
      gated: { envoy: gated.pid, gate, target: { ...target, port: gated.port } },
      /** @type {Subject} */
      unobserved: { envoy: unobserved.pid, gate: bare, target: { ...target, port: unobserved.port } },
      /** @type {Subject} */
      open: { envoy: open.pid, gate: undefined, target: { ...target, port: open.port } },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const HCM = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'];

/** @param {string} text */
function answerAtOnce(text) {
  const config = parseDocument(text);
  config.deleteIn([...HCM, 'http_filters', 1]);
  config.deleteIn([...HCM, 'http_filters', 0]);
  config.deleteIn([...HCM, 'access_log']);
  const answer = { status: 200, body: { inline_string: 'hello' } };
  config.setIn(
    [...HCM, 'route_config', 'virtual_hosts', 0, 'routes'],
    config.createNode([{ match: { prefix: '/' }, direct_response: answer }]),
  );
  return String(config);
}

/** @param {string} text @param {number} port */
function withoutGate(text, port) {
  const config = parseDocument(text);
  config.deleteIn([...HCM, 'http_filters', 1]);
  config.deleteIn([...HCM, 'http_filters', 0]);
  const cluster = ['static_resources', 'clusters', 0];
  for (const key of ['original_dst_lb_config', 'cleanup_interval', 'lb_policy'])
    config.deleteIn([...cluster, key]);
  config.setIn([...cluster, 'type'], 'STATIC');
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const assignment = { cluster_name: 'sandbox', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
  config.setIn([...cluster, 'load_assignment'], config.createNode(assignment));
  return String(config);
}

/**
 * The policy lies in a folder of files, so that nothing has to be written while the gate runs.
 * @param {string[]} program @param {string} dir @param {(() => unknown)[]} undo
 */
async function startGate(program, dir, undo) {
  const policyDir = join(dir, 'policies');
  mkdirSync(policyDir);
  const tokens = [{ id: 'default', sha256: createHash('sha256').update(TOKEN).digest('hex') }];
  const record = { sandboxId: 'bench', runtime: { route: { address: '127.0.0.1' } }, access: { tokens } };
  writeFileSync(join(policyDir, 'bench.json'), JSON.stringify(record));
  const flags = [
    `--state-dir=${dir}`,
    `--listen=unix:${join(dir, 'check', 'gate.sock')}`,
    '--ops=127.0.0.1:0',
    '--sandbox-cidrs=127.0.0.0/8',
    '--store=files',
  ];
  const log = openSync(join(dir, 'gate.log'), 'a');
  const child = spawn(process.execPath, [...program, ...flags], { stdio: ['ignore', 'pipe', log] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  undo.push(() => {
    child.kill('SIGKILL');
    return exited;
  });
  for await (const line of createInterface({
    input: /** @type {import('node:stream').Readable} */ (child.stdout),
  })) {
    if (line.startsWith('sandgate ready')) return child.pid;
  }
  throw new Error('the gate did not start');
}
