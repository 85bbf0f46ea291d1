import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PolicyRules, parseNetworks } from '../../src/policy/network.ts';
import { parsePut } from '../../src/policy/put.ts';
import { rules as elsewhere } from '../policy/sample.ts';
import { ask } from '../stack/client.ts';
import { sandgate } from '../stack/command.ts';
import { expectInForce } from '../stack/in-force.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { digestOf, hostOf, startTestStack, type TestStack, TOKEN } from '../stack/test-stack.ts';

// `--public-traffic refuse`: an operator who never wants a public sandbox.

const NAME = 'e2b-traffic-access-token';
const tokens = [{ id: 'a', sha256: digestOf(TOKEN) }];
const policy = (sandboxId: string, access: object) => ({
  sandboxId,
  runtime: { route: { address: '127.0.0.1' } },
  access,
});

let stack: TestStack;
let sandbox: Recorder;
beforeAll(async () => {
  stack = await startTestStack({ publicTraffic: 'refuse' });
  sandbox = await startRecorder();
  // As a writer that knows nothing of the setting stored it, or before the setting was turned on.
  const networks = parseNetworks(['127.0.0.0/8']);
  const rules: PolicyRules = { ...elsewhere, networks, publicTraffic: 'allow' };
  const put = parsePut(policy('old', { allowPublicTraffic: true, tokens }), rules);
  await expectInForce(stack.stateDir, (await stack.store.write([put])).sequence);
});
afterAll(async () => {
  await stack?.stop();
  await sandbox?.close();
});

const send = (headers: Record<string, string> = {}) =>
  ask(stack.http, { host: hostOf(sandbox.port, 'old'), headers });
const run = (args: string[]) => sandgate([...args, '--state-dir', stack.stateDir]);

it('treats a stored public policy as restricted, and says in log and metrics why', async () => {
  expect(await send()).toMatchObject({ status: 403, headers: { 'x-sandgate-reason': 'token_missing' } });
  expect(sandbox.arrivals).toEqual([]);
  expect((await send({ [NAME]: TOKEN })).status).toBe(200);
  expect(stack.logs()).toContain('"detail":"public_refused"');
  const { host, port } = stack.gate.ops;
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  expect(metrics).toMatch(/^sandgate_public_refused_total 1$/m);
  const { parts } = (await (await fetch(`http://${host}:${port}/readyz`)).json()) as {
    parts: { policies: { publicTraffic: string } };
  };
  expect(parts.policies.publicTraffic).toBe('refuse');
});

it('refuses a public policy of a command, and names the field, the setting and the fix', async () => {
  const file = join(stack.stateDir, 'public.json');
  writeFileSync(file, JSON.stringify(policy('fresh', { allowPublicTraffic: true })));
  const refused = await run(['policy', 'put', file]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('access.allowPublicTraffic must not be true');
  expect(refused.stderr).toContain('--public-traffic refuse');
  expect(refused.stderr).toContain('fix: write false');
  expect((await run(['policy', 'get', 'fresh'])).code).toBe(1);
});

it('explains and lists a stored public policy as restricted', async () => {
  const told = await run(['explain', `http://${hostOf(sandbox.port, 'old')}/`]);
  expect(told.stdout).toMatch(/^DENIED 403 token_missing \(public_refused\)/);
  expect(told.stdout).toContain('the policy says public, which this deployment refuses (--public-traffic)');
  expect((await run(['policy', 'list'])).stdout).toContain('1 token(s) (public is refused)');
});

it('mints and revokes tokens of such a policy all the same', async () => {
  const minted = await run(['token', 'mint', 'old', '--id', 'fresh']);
  expect(minted.code).toBe(0);
  expect((await send({ [NAME]: minted.stdout.trim() })).status).toBe(200);
  expect((await run(['token', 'revoke', 'old', 'fresh'])).code).toBe(0);
  expect((await send({ [NAME]: minted.stdout.trim() })).status).toBe(403);
});

it('refuses a command that says otherwise than the gate', async () => {
  const { code, stderr } = await run(['policy', 'list', '--public-traffic', 'allow']);
  expect(code).toBe(2);
  expect(stderr).toContain('SANDGATE_PUBLIC_TRAFFIC (--public-traffic)');
});
