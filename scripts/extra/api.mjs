// Tests the policy API against its OpenAPI document: schemathesis sends both valid and invalid requests.
// usage: npm run test:extra -- api [--seconds 300]
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { prepare, root, run, say } from '../prepare.mjs';

const VERSION = '4.32.5';
/** Below the API's limit per address, so that 429 stays rare. */
const RATE = '300/s';
/** The document cannot express the configured networks, and deleted policies are put again during the run. */
const NOT_CHECKED = 'positive_data_acceptance,use_after_free,ensure_resource_availability';
/** As in `api_hooks.py`. */
const IDS = ['abc', 'abd', 'x1'];
const TOKEN_IDS = ['a', 'b', 't-1'];
const SEED_EVERY_MS = 500;

/** @typedef {{ paths: Record<string, Record<string, unknown>> }} Document */

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '300' } } });
await prepare();
const library = await install();
const key = randomBytes(32).toString('hex');
const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-api-'));
const gate = startGate();
try {
  const base = `http://${await ready()}`;
  const response = await fetch(`${base}/v1/openapi.json`, { headers: { authorization: `Bearer ${key}` } });
  await refusedWithoutKey(base, /** @type {Document} */ (await response.json()));
  await seed(base);
  const seeding = setInterval(() => void seed(base).catch(() => {}), SEED_EVERY_MS);
  const code = await schemathesis(base).finally(() => clearInterval(seeding));
  if (gate.exitCode !== null) throw new Error(`the gate exited (${gate.exitCode})`);
  process.exitCode = code;
} finally {
  gate.kill('SIGKILL');
  rmSync(stateDir, { recursive: true, force: true });
}

async function install() {
  const folder = join(root, '.cache', `schemathesis-${VERSION}`);
  if (existsSync(folder)) return folder;
  say(`installing schemathesis ${VERSION} …`);
  const draft = `${folder}.new`;
  rmSync(draft, { recursive: true, force: true });
  const options = ['--quiet', '--disable-pip-version-check', '--only-binary=:all:', '--target', draft];
  await run('python3', ['-m', 'pip', 'install', ...options, `schemathesis==${VERSION}`]);
  renameSync(draft, folder);
  return folder;
}

function startGate() {
  const settings = {
    SANDGATE_STATE_DIR: stateDir,
    SANDGATE_SANDBOX_CIDRS: '10.0.0.0/8',
    SANDGATE_OPS: '127.0.0.1:0',
    SANDGATE_POLICY_API: '127.0.0.1:0',
    SANDGATE_POLICY_API_KEYS: key,
    SANDGATE_LOG_LEVEL: 'warn',
  };
  return spawn(process.execPath, [join(root, 'bin', 'sandgate.js'), 'serve'], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** The address of the gate's API, from its run file. */
async function ready() {
  for await (const line of createInterface({
    input: /** @type {import('node:stream').Readable} */ (gate.stdout),
  })) {
    if (!line.startsWith('sandgate ready')) continue;
    const [name = ''] = readdirSync(join(stateDir, 'run'));
    return /** @type {string} */ (JSON.parse(readFileSync(join(stateDir, 'run', name), 'utf8')).admin);
  }
  throw new Error('the gate did not start');
}

/**
 * @param {string} base
 * @param {Document} document
 */
async function refusedWithoutKey(base, document) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, 'abc'),
    })),
  );
  operations.push({ method: 'GET', path: '/v1/openapi.json' }, { method: 'GET', path: '/nothing' });
  for (const { method, path } of operations) {
    for (const authorization of ['', `Bearer ${key.slice(1)}0`, `Basic ${key}`]) {
      const { status } = await fetch(base + path, {
        method,
        headers: authorization ? { authorization } : {},
      });
      if (status !== 401)
        throw new Error(`${method} ${path} without a valid key answered ${status}, not 401`);
    }
  }
  console.log(`${operations.length} operations answer 401 without a key and with a wrong one`);
}

/**
 * Recreates policies with tokens; without them nearly every request would be a 404.
 * @param {string} base
 */
async function seed(base) {
  const records = IDS.map((sandboxId) => ({
    sandboxId,
    runtime: { route: { address: '10.0.3.7' } },
    access: { tokens: TOKEN_IDS.map((id) => ({ id, sha256: randomBytes(32).toString('hex') })) },
  }));
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  await fetch(`${base}/v1/policies`, { method: 'POST', headers, body: JSON.stringify(records) });
}

/** @param {string} base @returns {Promise<number>} */
function schemathesis(base) {
  const options = [
    '--checks',
    'all',
    '--exclude-checks',
    NOT_CHECKED,
    '--continue-on-failure',
    '--rate-limit',
    RATE,
  ];
  const child = spawn(
    'python3',
    [
      ...['-m', 'schemathesis.cli', 'run', `${base}/v1/openapi.json`, '--max-time', values.seconds],
      ...['--header', `Authorization: Bearer ${key}`, ...options],
    ],
    {
      cwd: stateDir,
      env: {
        ...process.env,
        PYTHONPATH: library,
        SCHEMATHESIS_HOOKS: join(root, 'scripts', 'extra', 'api_hooks.py'),
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
