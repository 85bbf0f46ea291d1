import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { secretFiles } from '../../src/envoy/secrets.ts';
import { ENVOY_METRICS } from '../../src/observe/metric-catalogue.ts';
import { hold } from '../attack/failure/held-connection.ts';
import { createAuthority } from '../stack/authority.ts';
import { closedPort } from '../stack/closed-port.ts';
import { eventually } from '../stack/eventually.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';

const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

const SHED = 'overload.envoy.load_shed_points';

let running: RunningEnvoy;
let socket: string;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-stats-'));
  socket = join(folder, 'stats.sock');
  // With every secret, because Envoy has no stats of secrets that it does not use.
  const authority = await createAuthority(folder, 'ca');
  const own = await authority.issue('own', ['own.example']);
  const gateTls = { ca: authority.ca, name: 'gate.example', client: own };
  for (const [name, text] of Object.entries(secretFiles(own, gateTls)))
    writeFileSync(join(folder, name), text);
  running = await startRunningEnvoy({
    ...{ stats: { path: socket }, https: [{ host: '127.0.0.1', port: 0 }], tls: own, gateTls },
    gates: [{ host: '127.0.0.1', port: await closedPort() }],
    secretsIn: folder,
  });
  // There is no gate, so the answer is a 503, and Envoy counts it.
  expect((await running.get()).status).toBe(503);
});
afterAll(async () => {
  await running?.stop();
  rmSync(dirname(socket), { recursive: true, force: true });
});

function ask(path: string, socketPath = socket): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on('error', reject).end();
  });
}

describe('the listener of `envoy config --stats`', () => {
  it("has Envoy's metrics, under the names that docs/operating.md and the alert rules use", async () => {
    const { body } = await ask('/stats/prometheus');
    const named = [...page.matchAll(/`(envoy_\w+)/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(5);
    for (const name of [...named, ...Object.keys(ENVOY_METRICS)]) expect(body).toContain(`# TYPE ${name} `);
    expect(body).toMatch(/^envoy_http_ext_authz_error\{envoy_ext_authz_prefix="sandbox",.*\} 1$/m);
    const shorter = [...page.matchAll(/`((?:http\.ingress|cluster\.gate|sds\.\w+|server)\.[\w.]+)`/g)].map(
      ([, name]) => name!,
    );
    expect(shorter.length).toBeGreaterThan(5);
    for (const name of shorter) expect(await running.stat(name), name).not.toBeNaN();
  });

  it('reports whether Envoy is ready, for probes', async () => {
    expect(await ask('/ready')).toEqual({ status: 200, body: 'LIVE\n' });
  });

  it('serves nothing else', async () => {
    expect((await ask('/quitquitquit')).status).toBe(404);
    expect((await ask('/config_dump')).status).toBe(404);
  });
});

describe('an Envoy over its limits', () => {
  let full: RunningEnvoy;
  let stats: string;
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sandgate-stats-'));
    stats = join(folder, 'stats.sock');
    // No Envoy fits into this heap, and one connection is all that it takes.
    const capacity = { maxHeapBytes: 1_048_576, maxConnections: 1 };
    full = await startRunningEnvoy({ stats: { path: stats }, capacity });
  });
  afterAll(async () => {
    await full?.stop();
    rmSync(dirname(stats), { recursive: true, force: true });
  });

  it('refuses requests and connections, but answers probes and scrapes', async () => {
    await eventually(async () => {
      await full.get().catch(() => {});
      expect(
        await full.stat(`${SHED}.http2_server_go_away_and_close_on_dispatch.shed_load_count`),
      ).toBeGreaterThan(0);
    });
    await expect(full.get()).rejects.toThrow();
    const taken = await hold(full.port, '');
    await eventually(async () => {
      await full.get().catch(() => {});
      expect(await full.stat('listener.127.0.0.1_0.downstream_global_cx_overflow')).toBeGreaterThan(0);
    });
    expect(await ask('/ready', stats)).toEqual({ status: 200, body: 'LIVE\n' });
    expect((await ask('/stats/prometheus', stats)).status).toBe(200);
    taken.destroy();
  });

  it('answers a probe again soon after silent connections took all that the listener accepts', async () => {
    const silent = Array.from({ length: 300 }, () => connect(stats).on('error', () => {}));
    const closed = silent.map((one) => new Promise((resolve) => one.once('close', resolve)));
    await eventually(async () => {
      expect(await full.stat('connection_limit.stats.limited_connections')).toBeGreaterThan(0);
    });
    await Promise.all(closed.map((one, n) => one.then(() => silent[n]!.destroy())));
    expect((await ask('/ready', stats)).status).toBe(200);
  });
});
