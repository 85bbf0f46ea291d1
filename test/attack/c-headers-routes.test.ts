import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, askHttp2 } from '../stack/client.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import {
  hostOf,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../stack/test-stack.ts';

const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };
let stack: TestStack;
let up: Recorder;
beforeAll(async () => {
  stack = await startTestStack();
  up = await startRecorder();
  await stack.put(restricted('abc'), publicSandbox('open1'));
});
afterAll(async () => {
  await up?.close();
  await stack?.stop();
});

describe('C6: headers that only Envoy and the gate may say', () => {
  const forged = {
    'x-envoy-original-dst-host': '127.0.0.1:1',
    'x-envoy-attempt-count': '7',
    'x-envoy-upstream-stream-duration-ms': '1',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-retry-on': '5xx',
    'x-envoy-internal': 'true',
    'x-envoy-external-address': '10.9.9.9',
    'x-sandgate-reason': 'forged',
    'x-forwarded-host': 'forged',
    'x-forwarded-for': '10.9.9.9',
    'x-forwarded-port': '1',
    forwarded: 'for=10.9.9.9',
  };
  it.each([
    ['HTTP/1.1', ask],
    ['HTTP/2', askHttp2],
  ] as const)('have no effect from a client and never arrive over %s', async (_name, send) => {
    const answered = await send(stack.http, {
      host: hostOf(up.port, 'abc'),
      headers: { ...WITH_TOKEN, ...forged },
    });
    expect(answered.status).toBe(200);
    const seen = JSON.stringify(up.arrivals.at(-1)!.rawHeaders).toLowerCase();
    for (const trace of ['x-envoy', 'x-sandgate', '10.9.9.9', 'forged', 'x-forwarded-port']) {
      expect(seen).not.toContain(trace);
    }
  });

  it("never reach a client from a sandbox in the gate's name", async () => {
    up.answer = (_request, response) => {
      response.writeHead(200, { 'x-sandgate-reason': 'forged', 'x-app': 'kept' });
      response.end();
    };
    const answered = await ask(stack.http, { host: hostOf(up.port, 'open1') });
    expect(answered.headers).toMatchObject({ 'x-app': 'kept' });
    expect(answered.headers).not.toHaveProperty('x-sandgate-reason');
  });
});

const REFUSED = [
  '169.254.169.254',
  '::1',
  'fe80::1%eth0',
  '0.0.0.0',
  'localhost',
  '::ffff:127.0.0.1',
  '127.1',
  '0x7f.1',
  '010.0.0.1',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  '10.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
];

/** Changes a record behind the gate's back, as a bug or a wrong hand might. */
function edit(sandboxId: string, change: (record: Record<string, Record<string, unknown>>) => void): void {
  const database = new Database(join(stack.stateDir, 'policies.db'));
  try {
    const row = database.prepare('SELECT record FROM policies WHERE id = ?').get(sandboxId) as {
      record: string;
    };
    const record = JSON.parse(row.record);
    change(record);
    database.prepare('UPDATE policies SET record = ? WHERE id = ?').run(JSON.stringify(record), sandboxId);
  } finally {
    database.close();
  }
}

describe('C7: a route to where no sandbox is', () => {
  it.each(REFUSED)('%s is refused at the write', async (address) => {
    await expect(stack.put(restricted('route1', { runtime: { route: { address } } }))).rejects.toMatchObject({
      code: 'POLICY_INVALID',
      field: 'runtime.route.address',
    });
  });

  it.each(REFUSED)('%s is a 503 where it is stored', async (address) => {
    const id = `s${REFUSED.indexOf(address)}`;
    await stack.put(publicSandbox(id));
    edit(id, (record) => {
      record.runtime!.route = { address };
    });
    // The edit carries no change record; the gate has not read this id yet, so it reads what lies there now.
    const answered = await ask(stack.http, { host: hostOf(up.port, id) });
    expect(answered.status).toBe(503);
    expect(answered.headers['x-sandgate-reason']).toBe('unavailable');
  });

  it('an own listener is never dialled, so nothing loops', async () => {
    const answered = await ask(stack.http, { host: hostOf(stack.http.port, 'open1') });
    expect(answered).toMatchObject({ status: 502, headers: { 'x-sandgate-reason': 'port_closed' } });
    expect(stack.gate.ops.port).toBeGreaterThan(0);
    expect((await ask(stack.http, { host: hostOf(stack.gate.ops.port, 'open1') })).status).toBe(502);
  });
});

describe('C8: a mask with a node-proxy route', () => {
  it('is refused at the write, and a 503 where it is stored', async () => {
    const route = { address: '127.0.0.1', port: up.port };
    const access = { maskRequestHost: '8080-abc.e2b.localhost' };
    await expect(stack.put(restricted('node1', { runtime: { route }, access }))).rejects.toMatchObject({
      code: 'POLICY_INVALID',
    });
    await stack.put(publicSandbox('node1', { runtime: { route } }));
    edit('node1', (record) => {
      record.access!.maskRequestHost = '8080-abc.e2b.localhost';
    });
    expect((await ask(stack.http, { host: hostOf(8080, 'node1') })).status).toBe(503);
  });
});

describe('C10: a sweep over ports', () => {
  it('dials at most 256 of a public sandbox, and others still answer', async () => {
    const sweep = await Promise.all(
      Array.from({ length: 300 }, (_, n) => ask(stack.http, { host: hostOf(20_000 + n, 'open1') })),
    );
    expect(new Set(sweep.map(({ status }) => status))).toEqual(new Set([502]));
    up.answer = (_request, response) => void response.end('still here');
    const dialled = stack.logs().match(/"upstream":"127\.0\.0\.1:20\d\d\d"/g) ?? [];
    expect(new Set(dialled).size).toBeLessThanOrEqual(256);
    const other = await ask(stack.http, { host: hostOf(up.port, 'abc'), headers: WITH_TOKEN });
    expect(other.body).toBe('still here');
  });
});

describe('F1: what a client sent', () => {
  it('never comes back raw', async () => {
    const browser = { 'user-agent': 'Mozilla/5.0', accept: 'text/html' };
    for (const host of ['"><script>alert(1)</script>', `8080-"><script>.e2b.localhost`]) {
      const answered = await ask(stack.http, { host, headers: browser });
      expect(answered.status).toBe(400);
      expect(answered.body).not.toContain('<script>');
    }
    const path = await ask(stack.http, {
      host: hostOf(49983, 'abc'),
      path: '/%3Cscript%3E/../init',
      headers: browser,
    });
    expect(path.status).toBe(404);
    expect(path.body).not.toContain('<script>');
  });
});
