import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { compose, docker } from '../compose.mjs';
import { root } from '../prepare.mjs';
import { SDK_VERSIONS, sdkFolder } from '../sdk.mjs';

/**
 * A running stack: `env` is the environment of compose, `client` that of the SDKs.
 * @typedef {{ env: NodeJS.ProcessEnv, client: Readonly<Record<string, string>>, project: string }} Stack
 */

const WITHIN_MS = 60_000;
const TOKEN = 'e2b-traffic-access-token';

/** What `npm run test:extra -- compose` looks at, in this order; each throws what is wrong. */
export const CHECKS = /** @type {Record<string, (stack: Stack) => Promise<void>>} */ ({
  'the services have no more rights than docker-compose.yml says': rights,
  'a sandbox by hand: 403, let through, gone': byHand,
  "E2B's documented program, JavaScript": javascript,
  "E2B's documented program, Python": python,
  'a gate killed under traffic: hardly a 503, and it comes back': killedGate,
  'Prometheus: targets up, rules evaluated, every metric of the dashboard there': metrics,
});

/** @param {Stack} stack */
async function rights({ env, project }) {
  const ids = docker(['ps', '--all', '--quiet', '--filter', `label=com.docker.compose.project=${project}`]);
  for (const container of JSON.parse(docker(['inspect', ...ids.trim().split('\n')], env))) {
    const { Config: config, HostConfig: host } = container;
    const service = config.Labels['com.docker.compose.service'];
    expect(false, host.Privileged, `${service}: privileged`);
    expect(true, host.ReadonlyRootfs, `${service}: read-only root`);
    expect('ALL', String(host.CapDrop), `${service}: dropped capabilities`);
    expect(service !== 'sandbox-host', (host.CapAdd ?? []).length === 0, `${service}: no capability added`);
    expect(service !== 'sandbox-host', Number.parseInt(config.User, 10) > 0, `${service}: not root`);
    for (const [{ HostIp }] of Object.values(host.PortBindings ?? {})) expect('127.0.0.1', HostIp, service);
  }
}

/** @param {Stack} stack */
async function byHand({ env, client }) {
  const key = { 'x-api-key': client.E2B_API_KEY ?? '', 'content-type': 'application/json' };
  const body = JSON.stringify({ templateID: 'base', network: { allowPublicTraffic: false } });
  const created = await ask(env, client, 'api', '/v2/sandboxes', 'POST', key, body);
  expect(201, created.status, `create (${created.body})`);
  const { sandboxID: id, trafficAccessToken: token } = JSON.parse(created.body);
  const port = `8080-${id}`;
  expect(401, (await ask(env, client, 'api', `/sandboxes/${id}`)).status, 'the API without a key');
  expect(403, (await ask(env, client, port, '/')).status, 'without the token');
  // A closed port means that the gate let the request through.
  const { status, body: page } = await ask(env, client, port, '/', 'GET', { [TOKEN]: token });
  expect('502 true', `${status} ${page.includes('port is not open')}`, 'with the token');
  expect(204, (await ask(env, client, 'api', `/sandboxes/${id}`, 'DELETE', key)).status, 'kill');
  const gone = await ask(env, client, port, '/');
  expect('502 sandbox_not_found', `${gone.status} ${gone.reason}`, 'after the kill');
}

/** @param {Stack} stack */
async function javascript({ client }) {
  const at = await sdkFolder('npm', SDK_VERSIONS.npm[0]);
  const program = join(at, 'example.mjs');
  copyFileSync(join(root, 'examples', 'example.mjs'), program);
  await example(
    process.execPath,
    ['--import', join(root, 'examples', 'print-statuses.mjs'), program],
    client,
  );
}

/** @param {Stack} stack */
async function python({ client }) {
  const at = await sdkFolder('pypi', SDK_VERSIONS.pypi[0]);
  const programs = ['print_statuses.py', 'example.py'].map((name) => join(root, 'examples', name));
  const path = [client.PYTHONPATH, at].filter(Boolean).join(':');
  await example('python3', programs, { ...client, PYTHONPATH: path });
}

/** @param {string} program @param {string[]} args @param {Readonly<Record<string, string>>} client */
async function example(program, args, client) {
  const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...client } });
  const seen = [...stdout.matchAll(/^status (\d+)$/gm)].map(([, status]) => status);
  expect('403 200', seen.join(' '), 'statuses');
}

/** @param {Stack} stack */
async function killedGate({ env, client }) {
  const kill = `const { readdirSync, readFileSync } = require('node:fs');
    for (const name of readdirSync('/var/lib/sandgate/run')) {
      const { pid, check } = JSON.parse(readFileSync('/var/lib/sandgate/run/' + name));
      if (check === 'unix:/run/sandgate/gate-0.sock') try { process.kill(pid, 'SIGKILL'); } catch {}
    }`;
  /** @type {Record<string, number>} */
  const seen = {};
  let killed = false;
  for (let n = 0; n < 300 || !killed; n++) {
    if (n === 50) {
      // Its container ends with it, and possibly this command.
      void promisify(execFile)('docker', ['compose', 'exec', '-T', 'gate-0', 'node', '-e', kill], {
        cwd: root,
        env,
      })
        .catch(() => {})
        .finally(() => {
          killed = true;
        });
    }
    const { status } = await ask(env, client, '8080-nobody', '/');
    seen[String(status)] = (seen[String(status)] ?? 0) + 1;
  }
  const { 502: answered = 0, 503: failed = 0, ...others } = seen;
  expect('{}', JSON.stringify(others), 'other statuses meanwhile');
  // None on an idle machine; on a busy one, a check may take longer than a second.
  expect(
    true,
    failed <= (answered + failed) / 100,
    `${failed} of ${answered + failed} requests were 503; at most 1 %`,
  );
  await eventually(async () => {
    const state = compose(['ps', '--format', '{{.Service}} {{.Health}}'], env);
    expect(true, state.includes('gate-0 healthy') && state.includes('gate-1 healthy'), 'both gates healthy');
    const container = compose(['ps', '--quiet', 'gate-0'], env).trim();
    expect('1', docker(['inspect', '--format', '{{.RestartCount}}', container]).trim(), 'starts of it again');
  });
}

/** @param {Stack} stack */
async function metrics({ env }) {
  const get = async (/** @type {string} */ path) => {
    const answer = await fetch(`http://127.0.0.1:${env.PROMETHEUS_PORT}/api/v1/${path}`);
    return /** @type {any} */ (await answer.json()).data;
  };
  const { groups } = parse(readFileSync(join(root, 'deploy/prometheus/sandgate.rules.yml'), 'utf8'));
  const alerts = groups.flatMap((/** @type {any} */ { rules }) => rules).length;
  const board = readFileSync(join(root, 'deploy/grafana/sandgate.json'), 'utf8');
  const asked = [...new Set(board.match(/\b(sandgate|envoy|nodejs|process)_\w+/g))];
  await eventually(async () => {
    const { activeTargets } = await get('targets');
    const up = activeTargets.filter((/** @type {any} */ { health }) => health === 'up').length;
    expect('3 of 3', `${up} of ${activeTargets.length}`, 'targets up');
    const rules = (await get('rules')).groups.flatMap((/** @type {any} */ group) => group.rules);
    const ok = rules.filter((/** @type {any} */ { health }) => health === 'ok').length;
    expect(alerts, ok, 'rules evaluated');
    const known = new Set(await get('label/__name__/values'));
    expect('', asked.filter((name) => !known.has(name)).join(), 'metrics of the dashboard not there');
  });
}

/**
 * Sends one request to `<name>.<domain>` through the published port.
 * @param {NodeJS.ProcessEnv} env @param {Readonly<Record<string, string>>} client @param {string} name @param {string} path
 * @param {string} method @param {Record<string, string>} headers @param {string} body
 * @returns {Promise<{ status: number | undefined, reason: unknown, body: string }>}
 */
function ask(env, client, name, path, method = 'GET', headers = {}, body = '') {
  const host = `${name}.${client.E2B_DOMAIN}`;
  const ca = readFileSync(client.NODE_EXTRA_CA_CERTS ?? '');
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        ...{ host: '127.0.0.1', port: env.SANDGATE_HTTPS_PORT, servername: host.replace(/:\d+$/, ''), ca },
        ...{ path, method, headers: { host, ...headers, 'content-length': body.length }, agent: false },
      },
      async (answer) => {
        const chunks = await answer.toArray();
        const reason = answer.headers['x-sandgate-reason'];
        resolve({ status: answer.statusCode, reason, body: Buffer.concat(chunks).toString() });
      },
    );
    asked.on('error', reject).end(body);
  });
}

/** @param {() => Promise<void>} look */
async function eventually(look) {
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > until) throw error;
      await pause(500);
    }
  }
}

/** @param {unknown} wanted @param {unknown} got @param {string} of */
function expect(wanted, got, of) {
  if (wanted !== got) throw new Error(`${of}: expected ${wanted}, got ${got}`);
}
