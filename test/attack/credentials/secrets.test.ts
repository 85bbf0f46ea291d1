import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ask, askHttp2 } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { digestOf, hostOf, OTHER_TOKEN, restricted, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, get } from '../raw-http1.ts';

const NAME = 'e2b-traffic-access-token';
const EXPIRED = 'e'.repeat(64);
const SECRETS = [TOKEN, OTHER_TOKEN, EXPIRED].flatMap((token) => [token, digestOf(token)]);
const IDS = ['locked', 'measured', 'open'];

let stack: ProcessStack;
let sandbox: Recorder;
let asked = 0;
let ready = '';

/** A gate that logs as much as it can gets requests with tokens in every place where people put them. */
beforeAll(async () => {
  stack = await startProcessStack({
    gates: 1,
    flags: { 'log-level': 'debug', 'log-allows': '1', 'allow-shadow': 'true' },
  });
  sandbox = await startRecorder();
  const tokens = [
    { id: 'default', sha256: digestOf(TOKEN) },
    { id: 'old', sha256: digestOf(EXPIRED), expiresAt: '2020-01-01T00:00:00Z' },
  ];
  const shadowUntil = new Date(Date.now() + 3600_000).toISOString();
  await stack.put(
    restricted('locked', { access: { tokens } }),
    restricted('measured', { access: { tokens, shadowUntil } }),
    restricted('open', { access: { tokens, allowPublicTraffic: true } }),
  );
  const bytes = IDS.map((id) => hostOf(sandbox.port, id)).flatMap((host) =>
    [TOKEN, OTHER_TOKEN, EXPIRED].flatMap((token) => [
      get(`me:${token}@${host}`),
      get(`${token}@${host}`),
      get(host, [`${NAME}: ${token}`, `${NAME}: ${token}`]),
    ]),
  );
  const requests = IDS.flatMap((id) =>
    [TOKEN, OTHER_TOKEN, EXPIRED].flatMap((token) => [
      { host: hostOf(sandbox.port, id), headers: { [NAME]: token } },
      { host: hostOf(sandbox.port, id), path: `/?${NAME}=${token}` },
      { host: hostOf(sandbox.port, id), path: `/${token}` },
      { host: hostOf(sandbox.port, id), headers: { cookie: `${NAME}=${token}` } },
      { host: hostOf(sandbox.port, id), headers: { authorization: `Bearer ${token}`, traceparent: token } },
      { host: hostOf(sandbox.port, id), headers: { 'x-envoy-external-address': token, 'user-agent': token } },
      { host: hostOf(49983, id), headers: { [NAME]: token }, path: `/init?t=${token}` },
      { host: `8000-${token}.e2b.localhost`, headers: { [NAME]: token } },
      { host: `${token}:80` },
      { host: 'localhost', headers: { 'e2b-sandbox-id': token, 'e2b-sandbox-port': token } },
    ]),
  );
  // One after the other: a burst would exceed the rate limit of the log, and dropped lines prove nothing.
  for (const [n, request] of requests.entries()) {
    await (n % 2 === 0 ? ask : askHttp2)(stack.http, request);
  }
  for (const one of bytes) await askOnce(stack.http, one);
  asked = requests.length + bytes.length;
  ready = await (await fetch(`${stack.gates[0]!.ops}/readyz`)).text();
  // Envoy buffers its access log, and writes all of it when it exits.
  await stack.envoy.stop(5000);
});
afterAll(async () => {
  await stack?.stop();
  await sandbox?.close();
});

function expectNoSecret(text: string): void {
  for (const secret of SECRETS) expect(text).not.toContain(secret);
}

it('the gate logged every request, of every outcome', async () => {
  const log = () => stack.gates[0]!.log();
  await vi.waitFor(() => expect(log().split('"msg":"decision"').length).toBeGreaterThan(asked), PATIENCE);
  for (const outcome of ['allow', 'deny', 'shadow_allow']) expect(log()).toContain(`"outcome":"${outcome}"`);
  expect(log()).toContain('"token_id":"old"');
  expect(log()).not.toContain('decisions_dropped');
});

it('no token, and no digest of one, is in the log of the gate or of Envoy', () => {
  expectNoSecret(stack.gates[0]!.log());
  expectNoSecret(stack.accessLog());
  expectNoSecret(readFileSync(join(stack.stateDir, 'envoy.log'), 'latin1'));
});

it('no token or digest is in /readyz or a run file', () => {
  expect(ready).toContain('"shadow"');
  expectNoSecret(ready);
  const runs = readdirSync(join(stack.stateDir, 'run'));
  expect(runs).toContain(`${stack.gates[0]!.pid}.json`);
  for (const name of runs) expectNoSecret(readFileSync(join(stack.stateDir, 'run', name), 'latin1'));
});
