import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ask, askHttp2 } from '../../stack/client.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { destinations } from '../envoy-admin.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { editStored } from '../stored-record.ts';

let scene: Scene;
let target: Sandbox;
let b: Sandbox;
/** A server of the machine itself, outside the sandbox networks. */
let outside: Recorder;
beforeAll(async () => {
  scene = await openScene({
    sandboxCidrs:
      '127.64.0.0/10, fd00::/8, 2001::/16, 2002::/16, 192.0.0.0/24, 64:ff9b::/96, ::ffff:0:0/96, 169.254.0.0/16, 100.64.0.0/10',
  });
  target = await scene.public('target');
  b = await scene.restricted('beta');
  outside = await startRecorder();
});
beforeEach(() => scene.forget());
afterAll(async () => {
  await outside?.close();
  await scene?.close();
});

const never = [
  '127.0.0.1',
  '169.254.169.254',
  '::1',
  'fe80::1%eth0',
  'fe80::1',
  '0.0.0.0',
  'localhost',
  'metadata.google.internal',
  '::ffff:127.0.0.1',
  '::ffff:127.64.0.1',
  '::127.64.0.1',
  '64:ff9b::7f40:1',
  '127.1',
  '0x7f.1',
  '0x7f400001',
  '010.0.0.1',
  '127.064.0.1',
  '2130706433',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:EC2:0::254',
  '192.0.0.192',
  'fd00:ec2::23',
  'fd20:ce::254',
  'fd00:c1::a9fe:a9fe',
  'fd00:42::42',
  'fd00::a9fe:a9fe',
  'fd00::5efe:127.64.0.1',
  'fd00::200:5efe:7f40:1',
  '2001::7f40:1',
  '2002:7f40:1::',
  '224.0.0.1',
  '255.255.255.255',
  '10.0.0.1',
  '8.8.8.8',
  '[fd00::1]',
  'fd00::1%1',
  '127.64.0.1:80',
  '127.64.0.1 ',
  ' 127.64.0.1',
  '127.64.0.1/32',
  '127.64.0.1\n',
  '',
  '127.64.0.1,127.0.0.1',
  '127。64。0。1',
  'unix:/tmp/x',
  '../run/gate.sock',
];

async function refusal(work: Promise<unknown>): Promise<{ code?: string; field?: string }> {
  return work.then(
    () => ({}),
    (error: { code: string; field: string }) => ({ code: error.code, field: error.field }),
  );
}

async function expectUnavailable(host: string): Promise<void> {
  await vi.waitUntil(async () => (await ask(scene.stack.http, { host })).status === 503, PATIENCE);
  const headers = { 'e2b-traffic-access-token': TOKEN };
  for (const send of [ask, askHttp2]) {
    const { status, body } = await send(scene.stack.http, { host, headers });
    expect(status).toBe(503);
    expect(body).toContain('temporarily unavailable');
  }
}

describe('C7: a route that cannot be a sandbox’s', () => {
  it.each(never)('%j is refused at the write', async (address) => {
    for (const route of [{ address }, { address, port: outside.port }]) {
      const put = scene.stack.put(publicSandbox('fresh', { runtime: { route } }));
      expect(await refusal(put)).toEqual({ code: 'POLICY_INVALID', field: 'runtime.route.address' });
    }
    expect(await scene.stack.store.read('fresh')).toBeUndefined();
  });

  it('each one that is in the store anyway is a 503, and never dialed', async () => {
    const ids = never.map((_, index) => `stored${index}`);
    await scene.stack.put(
      ...ids.map((id) => publicSandbox(id, { runtime: { route: { address: target.address } } })),
    );
    for (const [index, id] of ids.entries()) {
      const route = { address: never[index], ...(index % 2 === 1 && { port: outside.port }) };
      editStored(scene.stack, id, (record) => ({ ...record, runtime: { ...record.runtime, route } }));
    }
    await Promise.all(ids.map((id) => expectUnavailable(hostOf(outside.port, id))));
    expect(await destinations(scene.stack)).toEqual([]);
    expect(outside.connections()).toBe(0);
    expect(target.app.connections()).toBe(0);
  });

  it('so is one in a non-canonical spelling, or with an invalid port or field', async () => {
    const routes = [
      { address: 'FD00::1' },
      { address: 'fd00:0::1' },
      { address: target.address, port: 0 },
      { address: target.address, port: 65536 },
      { address: target.address, port: `${target.app.port}` },
      { address: target.address, host: '127.0.0.1' },
      { address: [target.address] },
      target.address,
    ];
    await scene.stack.put(publicSandbox('odd', { runtime: { route: { address: target.address } } }));
    for (const route of routes) {
      editStored(scene.stack, 'odd', (record) => ({ ...record, runtime: { ...record.runtime, route } }));
      await scene.stack.put(restricted('poke', { runtime: { route: { address: target.address } } }));
      await expectUnavailable(hostOf(target.app.port, 'odd'));
    }
    expect(target.app.connections()).toBe(0);
  });
});

describe('C8: a mask of A that names B’s host, with a node proxy in between', () => {
  const mask = () => ({ allowPublicTraffic: true, maskRequestHost: hostOf(80, 'beta') });
  const viaProxy = () => ({ route: { address: b.address, port: b.app.port } });

  it('is refused at the write, in one put or in two', async () => {
    const invalid = { code: 'POLICY_INVALID', field: 'access.maskRequestHost' };
    const { put } = scene.stack;
    expect(await refusal(put({ sandboxId: 'alpha', runtime: viaProxy(), access: mask() }))).toEqual(invalid);
    await put({ sandboxId: 'alpha', runtime: viaProxy(), access: { allowPublicTraffic: true } });
    expect(await refusal(put({ sandboxId: 'alpha', access: mask() }))).toEqual(invalid);
    await put({ sandboxId: 'alpha2', runtime: { route: { address: b.address } }, access: mask() });
    expect(await refusal(put({ sandboxId: 'alpha2', runtime: viaProxy() }))).toEqual(invalid);
  });

  it('without a mask, names A to the node proxy, whatever Host the client sends', async () => {
    const host = hostOf(8080, 'alpha');
    for (const spelled of [host, host.toUpperCase(), `${host}.`, `8080-alpha-beta.e2b.localhost`]) {
      expect((await ask(scene.stack.http, { host: spelled })).status).toBe(200);
    }
    const headers = { 'e2b-sandbox-id': 'alpha', 'e2b-sandbox-port': '8080' };
    expect((await ask(scene.stack.http, { host: '127.0.0.1', headers })).status).toBe(200);
    expect(b.app.arrivals.map((arrival) => arrival.headers.host)).toEqual(Array(5).fill(host));
  });

  it('is a 503 from the store, and the node proxy sees nothing', async () => {
    editStored(scene.stack, 'alpha', (record) => ({ ...record, access: { ...record.access, ...mask() } }));
    await expectUnavailable(hostOf(80, 'alpha'));
    scene.forget();
    await expectUnavailable(hostOf(80, 'alpha'));
    expect(scene.arrived()).toBe(0);
  });
});

describe('C9: port 49983 of a sandbox that does not say self-authenticating', () => {
  it('requires the token', async () => {
    expect((await ask(scene.stack.http, { host: b.agentHost })).status).toBe(403);
    expect(
      (await ask(scene.stack.http, { host: b.agentHost, headers: { 'x-access-token': 'a' } })).status,
    ).toBe(403);
    expect(scene.arrived()).toBe(0);
    const headers = { 'e2b-traffic-access-token': TOKEN };
    expect((await ask(scene.stack.http, { host: b.agentHost, headers })).status).toBe(200);
  });

  it.each([true, 'Self-Authenticating', 'yes', '', null])(
    'accepts no other value for it: %j',
    async (agent) => {
      const runtime = { route: { address: b.address }, agent };
      expect((await refusal(scene.stack.put(restricted('agentless', { runtime })))).field).toBe(
        'runtime.agent',
      );
      await scene.stack.put(restricted('agentless', { runtime: { route: { address: b.address } } }));
      editStored(scene.stack, 'agentless', (record) => ({
        ...record,
        runtime: { ...record.runtime, agent },
      }));
      await expectUnavailable(hostOf(49983, 'agentless'));
      expect(scene.arrived()).toBe(0);
    },
  );
});
