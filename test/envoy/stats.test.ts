import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseDocument } from 'yaml';
import { ENVOY_METRICS } from '../../src/observe/metric-catalogue.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';

const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');

let running: RunningEnvoy;
let socket: string;
beforeAll(async () => {
  running = await startRunningEnvoy({}, (config, folder) => {
    socket = join(folder, 'stats.sock');
    return withStats(config, folder);
  });
  // There is no gate: the answer is a 503, and Envoy counts it.
  expect((await running.get()).status).toBe(503);
});
afterAll(() => running?.stop());

/** The page's own YAML, on sockets of this test. */
function withStats(text: string, folder: string): string {
  const example =
    /```yaml\n# static_resources.listeners\n([\s\S]+?)# static_resources.clusters\n([\s\S]+?)```/;
  const [, listener = '', cluster = ''] = example.exec(page) ?? [];
  const config = parseDocument(text);
  const listens = listener.replace(/\{ socket_address: .*\} \}/, `{ pipe: { path: "${socket}" } }`);
  config.addIn(['static_resources', 'listeners'], config.createNode(parse(listens)[0]));
  const asks = cluster.replace('/run/envoy/admin.sock', join(folder, 'admin.sock'));
  config.addIn(['static_resources', 'clusters'], config.createNode(parse(asks)[0]));
  return String(config);
}

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

describe("Envoy's own numbers, by the listener of docs/operating.md", () => {
  it('have the names that the page and the alert rules go by', async () => {
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

  it('are all that it passes on', async () => {
    expect((await ask('/quitquitquit')).status).toBe(404);
    expect((await ask('/config_dump')).status).toBe(404);
  });
});
