import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENVOY_METRICS } from '../../src/observe/metric-catalogue.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';

const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

let running: RunningEnvoy;
let socket: string;
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-stats-'));
  socket = join(folder, 'stats.sock');
  running = await startRunningEnvoy({ stats: { path: socket } });
  // There is no gate, so the answer is a 503, and Envoy counts it.
  expect((await running.get()).status).toBe(503);
});
afterAll(async () => {
  await running?.stop();
  rmSync(dirname(socket), { recursive: true, force: true });
});

function ask(path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, path, agent: false }, (response) => {
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
    const shorter = [...page.matchAll(/`((?:http\.ingress|cluster\.gate)\.[\w.]+)`/g)].map(
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
