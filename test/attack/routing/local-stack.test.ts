import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Address, formatAddress } from '../../../src/address.ts';
import { HttpPolicyAdmin } from '../../../src/policy-api/client/http-client.ts';
import { liveGates } from '../../../src/state/run-file.ts';
import { type LocalStack, startLocalStack } from '../../local-cloud/local-stack.ts';
import { ask } from '../../stack/client.ts';
import { eventually } from '../../stack/eventually.ts';
import { listeningSockets } from '../../stack/listening-sockets.ts';
import { SEVERAL_PROCESSES_MS } from '../../stack/patience.ts';
import { hostOf, publicSandbox } from '../../stack/test-stack.ts';

const AGENT_PORT = 49983;

let folder: string;
let stack: LocalStack;
let policies: HttpPolicyAdmin;
/** Where the processes of `dev` listened before the first sandbox. */
let listeners: Address[];
/** A restricted sandbox. */
let id: string;
let nodeProxy: Address;

/** What `npm start` runs, with everything on TCP that can be. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  const keys = join(folder, 'keys');
  writeFileSync(keys, 'p'.repeat(40));
  const isolation = inject('machine').isolation === '' ? [] : ['--isolation', 'off'];
  stack = await startLocalStack([
    '--policy-api',
    '127.0.0.1:0',
    '--policy-api-keys-file',
    keys,
    ...isolation,
  ]);
  listeners = listeningSockets(stack.pid);
  const at = { path: join(stack.stateDir, 'policy-api', 'gate-1.sock') };
  policies = new HttpPolicyAdmin({ at, timeLimitMs: 15_000 });
  id = await create();
  const { runtime } = (await policies.get(id)) as { runtime: { route: { port: number } } };
  nodeProxy = { host: '127.0.0.1', port: runtime.route.port };
  const access = { maskRequestHost: hostOf(AGENT_PORT, id) };
  await policies.put([publicSandbox('mirror'), publicSandbox('posing', { access })]);
}, SEVERAL_PROCESSES_MS);
afterAll(async () => {
  expect(await stack?.stop()).toBe(0);
  rmSync(folder, { recursive: true });
});

async function create(): Promise<string> {
  const network = { allowPublicTraffic: false };
  const { json, status, text } = await stack.api('POST', '/v2/sandboxes', { templateID: 'base', network });
  expect(status, text).toBe(201);
  return json.sandboxID;
}

const health = (sandboxId: string) =>
  ask(stack.http, { host: hostOf(AGENT_PORT, sandboxId), path: '/health' });
const gateLogs = () =>
  [0, 1].map((n) => readFileSync(join(stack.stateDir, 'logs', `gate-${n}.log`), 'utf8')).join('');

describe('C13: the local cloud’s node proxy', () => {
  it.each([`${AGENT_PORT}-<id>.attacker.example`, `${AGENT_PORT}-<id>.e2b.localhost`])(
    'refuses what did not pass the gate (%s)',
    async (host) => {
      const answer = await ask(nodeProxy, { host: host.replace('<id>', id), path: '/health' });
      expect(answer.status).toBe(503);
      expect((await health(id)).status).toBe(204);
      expect((await ask(stack.http, { host: hostOf(8080, id) })).status).toBe(403);
    },
  );

  it('cannot be reached by a direct route', async () => {
    const answer = await ask(stack.http, { host: hostOf(nodeProxy.port, 'posing'), path: '/health' });
    expect(answer.status).toBe(502);
    expect(gateLogs()).toContain('"detail":"node_proxy"');
  });

  it('has a key that only this user can read, and that no log holds', () => {
    const file = join(stack.stateDir, 'cloud', 'node-proxy-key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const key = readFileSync(file, 'utf8').trim();
    const logs = ['envoy.log', 'access.log', 'cloud.log'].map((name) =>
      readFileSync(join(stack.stateDir, 'logs', name), 'utf8'),
    );
    const lines = readFileSync(`/proc/${stack.cloudPid()}/cmdline`, 'utf8');
    for (const text of [gateLogs(), stack.output(), lines, ...logs]) expect(text).not.toContain(key);
    expect(stack.log()).toMatch(/"reason":"key_missing","count":1,"msg":"node_proxy_refused"/);
  });
});

describe('C7: whatever the local stack listens on', () => {
  it('is known to every gate, and never dialed for a direct route', async () => {
    const demo = /demo server listens on 127\.0\.0\.1:(\d+)/.exec(stack.output())![1];
    const asSandbox = (port: number) => ask(stack.http, { host: hostOf(port, 'mirror') });
    const own = listeners.filter(({ port }) => port !== Number(demo));
    expect((await asSandbox(Number(demo))).status).toBe(200);
    const [gate] = liveGates(stack.stateDir);
    const known = [...gate!.ownListeners, ...(gate!.nodeProxies ?? [])].map(formatAddress);
    // HTTP, HTTPS, two ops listeners, the policy API of the first gate, the node proxy.
    expect(own.length).toBeGreaterThanOrEqual(6);
    expect(own.map(formatAddress)).toEqual(
      expect.arrayContaining([stack.http, stack.https, nodeProxy, gate!.ops].map(formatAddress)),
    );
    for (const address of own) {
      expect(known).toContain(formatAddress(address));
      const { status, headers } = await asSandbox(address.port);
      expect([status, headers['x-sandgate-reason']]).toEqual([502, 'port_closed']);
      const line = new RegExp(
        `"detail":"(own_listener|node_proxy)","sandbox_id":"mirror","port":${address.port},`,
      );
      await eventually(() => expect(gateLogs()).toMatch(line));
    }
  });
});

describe('C13: after a restart of the local cloud or of a gate', () => {
  it('the node proxy has the same port and key, so that sandboxes are reached', {
    timeout: SEVERAL_PROCESSES_MS,
  }, async () => {
    const [gate] = liveGates(stack.stateDir);
    process.kill(gate!.pid, 'SIGKILL');
    const cloud = stack.cloudPid();
    process.kill(cloud, 'SIGKILL');
    await eventually(() => expect(liveGates(stack.stateDir).map(({ pid }) => pid)).not.toContain(gate!.pid));
    await eventually(() => expect(liveGates(stack.stateDir)).toHaveLength(2));
    await eventually(() => expect(stack.cloudPid()).not.toBe(cloud));
    const again = await eventually(create);
    // Each gate decides some of these.
    for (const _ of Array(8)) expect((await health(again)).status).toBe(204);
    expect(await policies.get(again)).toMatchObject({ runtime: { route: { port: nodeProxy.port } } });
    expect((await ask(nodeProxy, { host: hostOf(AGENT_PORT, again), path: '/health' })).status).toBe(503);
  });
});
