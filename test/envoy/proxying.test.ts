import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../stack/eventually.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

let sandbox: Recorder;
let running: RunningEnvoy;
let gate: StubGate;

beforeAll(async () => {
  running = await startRunningEnvoy();
  gate = await startStubGate(running.gateSocket);
  sandbox = await startRecorder();
  await running.envoy.waitForGate(PATIENCE_MS);
});

beforeEach(() => {
  gate.asked.length = 0;
  sandbox.arrivals.length = 0;
  gate.answer = () => allow({ destination: `127.0.0.1:${sandbox.port}` });
});

afterAll(async () => {
  await running?.stop();
  gate?.close();
  await sandbox?.close();
});

const FORGED = {
  'x-envoy-attempt-count': '7',
  'x-envoy-upstream-rq-timeout-ms': '1',
  'x-envoy-original-dst-host': '127.0.0.1:1',
  'x-envoy-external-address': '1.2.3.4',
  'x-sandgate-reason': 'forged',
  'x-forwarded-for': '1.2.3.4',
  'x-forwarded-host': 'forged',
  'x-forwarded-proto': 'forged',
  'x-forwarded-client-cert': 'forged',
  forwarded: 'for=1.2.3.4',
};

describe('the sandbox receives', () => {
  it("none of a client's x-envoy-*, x-sandgate-*, x-forwarded-* and forwarded; Envoy's own address and protocol", async () => {
    await running.get(FORGED);
    const { headers } = sandbox.arrivals[0]!;
    const spoken = Object.entries(headers).filter(([name]) =>
      /^(x-(envoy|sandgate|forwarded)-|forwarded)/.test(name),
    );
    expect(Object.fromEntries(spoken)).toEqual({
      // For a client on the same machine Envoy sends the machine's own address.
      'x-forwarded-for': expect.stringMatching(/^(?!1\.2\.3\.4)[0-9a-f.:]+$/),
      'x-forwarded-proto': 'http',
    });
  });

  it('none of them with _ for -, since WSGI, CGI and PHP read both alike; other underscores stay', async () => {
    const names = [
      'x_forwarded_for',
      'X_Forwarded-Host',
      'x-forwarded_proto',
      'x-forwarded-for_',
      'x_envoy_a',
    ];
    names.push('x-envoy_a', 'X_SANDGATE_NODE_PROXY_KEY', 'x-sandgate_reason', 'x_sandgate-reason');
    const kept = {
      x_forwarded: '1',
      x_forwardedfor: '1',
      my_x_forwarded_for: '1',
      x_request_id: '1',
      _: '1',
    };
    await running.get({ ...Object.fromEntries(names.map((name) => [name, 'forged'])), ...kept });
    const { headers } = sandbox.arrivals[0]!;
    expect(Object.values(headers)).not.toContain('forged');
    expect(headers).toMatchObject(kept);
  });

  it("the client's own x-request-id unchanged, or one of Envoy's if there is none", async () => {
    const id = 'a50e90bf-ff1e-451c-9209-8f2ae48c3d96';
    await running.get({ 'x-request-id': id });
    await running.get({ 'x-request-id': 'mine' });
    await running.get();
    expect(sandbox.arrivals.map(({ headers }) => headers['x-request-id'])).toEqual([
      id,
      'mine',
      expect.stringMatching(/^[0-9a-f-]{36}$/),
    ]);
  });

  it('the headers that the gate sets, and not those that it removes', async () => {
    gate.answer = () =>
      allow({
        destination: `127.0.0.1:${sandbox.port}`,
        headers: {
          host: 'masked:8080',
          'x-forwarded-host': '8080-abc.e2b.localhost',
          'x-envoy-upstream-stream-duration-ms': '60000',
        },
        remove: ['e2b-traffic-access-token', 'e2b-sandbox-id', 'e2b-sandbox-port'],
      });
    await running.get({ 'e2b-traffic-access-token': 't', 'e2b-sandbox-id': 'i', 'e2b-sandbox-port': '1' });
    const { headers, rawHeaders } = sandbox.arrivals[0]!;
    expect(headers).toMatchObject({ host: 'masked:8080', 'x-forwarded-host': '8080-abc.e2b.localhost' });
    expect(Object.keys(headers).filter((name) => /^(e2b|x-envoy)-/.test(name))).toEqual([]);
    expect(rawHeaders.map(([name]) => name)).toContain('Host');
  });
});

it('sends the gate the headers that it needs, and no others', async () => {
  const needed = {
    'e2b-traffic-access-token': 't',
    'e2b-sandbox-id': 'i',
    'e2b-sandbox-port': '1',
    'x-request-id': 'r',
    accept: 'a',
    'user-agent': 'u',
    'sec-fetch-mode': 'm',
    'x-requested-with': 'w',
    origin: 'o',
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'h',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  await running.get({ ...needed, ...FORGED, cookie: 'secret', authorization: 'secret' });
  const { headers } = gate.asked[0]!.attributes.request.http.header_map;
  const got = headers.map(({ key, raw_value }) => [key, Buffer.from(raw_value).toString()]);
  // Set by Envoy, whatever the client sends.
  const client = expect.stringMatching(/^(?!1\.2\.3\.4)[0-9a-f.:]+$/);
  expect(Object.fromEntries(got)).toEqual({ ...needed, 'x-envoy-external-address': client });
});

it("removes a sandbox's own x-sandgate-* and passes on the rest of its answer", async () => {
  sandbox.answer = (_request, response) => {
    response.writeHead(418, {
      'x-sandgate-reason': 'port_closed',
      'X-Sandgate-Other': '1',
      'x-mine': '2',
      server: 'own',
    });
    response.end('tea');
  };
  const reply = await running.get();
  expect(reply).toMatchObject({ status: 418, body: 'tea', headers: { 'x-mine': '2', server: 'own' } });
  expect(Object.keys(reply.headers).filter((name) => /^x-(sandgate|envoy)-/.test(name))).toEqual([]);
});

it('reuses a connection for the same pool key, and never for another', async () => {
  const as = (poolKey: string) => {
    gate.answer = () => allow({ destination: `127.0.0.1:${sandbox.port}`, poolKey });
    return running.get();
  };
  for (const poolKey of ['abc/first', 'abc/first', 'abc/second', 'abc/first', 'abc/second'])
    await as(poolKey);
  const [one, again, other, back, otherAgain] = sandbox.arrivals.map(({ connection }) => connection);
  expect([again, back]).toEqual([one, one]);
  expect(other).not.toBe(one);
  expect(otherAgain).toBe(other);
});

it.each([0, 200_000])('waits for a server that starts late, with a body of %i bytes', async (size) => {
  const late = createServer((request, response) => {
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.length;
    });
    request.on('end', () => response.end(`got ${length}`));
  });
  const place = await startRecorder();
  await place.close();
  // It starts to listen after Envoy's first refused connection, when the gate has already answered.
  gate.answer = () => allow({ destination: `127.0.0.1:${place.port}`, poolKey: `late/${size}` });
  const reply = running.get({}, { method: 'POST', body: 'x'.repeat(size) });
  await refusedConnects(1);
  await new Promise<void>((resolve) => late.listen(place.port, '127.0.0.1', resolve));
  try {
    expect(await reply).toMatchObject({ status: 200, body: `got ${size}` });
  } finally {
    late.close();
  }
});

it('logs no path, no Host and no header of the client, but the sandbox and port that the gate read', async () => {
  const before = running.accessLog().length;
  await running.get({
    host: 'user:secret@8080-abc.e2b.localhost',
    'e2b-traffic-access-token': 'secret',
    cookie: 'secret',
  });
  // The line of an earlier request may be written later.
  const line = await eventually(() => {
    const lines = running.accessLog().slice(before).trim().split('\n');
    const found = lines.map((text) => JSON.parse(text)).find(({ code }) => code === 418);
    expect(found).toBeDefined();
    return found;
  });
  expect(running.accessLog()).not.toContain('secret');
  expect(line).toMatchObject({ sandbox: 'abc', port: 8080 });
});

/** Waits until this many of Envoy's connections were refused since the call. */
async function refusedConnects(count: number): Promise<void> {
  const seen = () => running.stat('cluster.sandbox_fresh.upstream_cx_connect_fail');
  const before = await seen();
  await expect.poll(seen, { interval: 5, timeout: PATIENCE_MS }).toBeGreaterThanOrEqual(before + count);
}
