import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2, type ClientRequest } from '../stack/client.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { patient } from '../stack/patient-config.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { type RawServer, startRawServer } from './raw-server.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, type StubGate, startStubGate } from './stub-gate.ts';

/** The requests of docs/proxying.md, at their limits. */
let sandbox: Recorder;
/** Node's own parser refuses headers of more than 16 KB. */
let patientServer: RawServer;
let running: RunningEnvoy;
let gate: StubGate;
beforeAll(async () => {
  running = await startRunningEnvoy({}, patient);
  gate = await startStubGate(running.gateSocket);
  sandbox = await startRecorder();
  patientServer = await startRawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
  await running.envoy.waitForGate(PATIENCE_MS);
});
beforeEach(() => {
  sandbox.arrivals.length = 0;
  gate.answer = () => allow({ destination: `127.0.0.1:${sandbox.port}` });
});
afterAll(async () => {
  await running?.stop();
  gate?.close();
  await sandbox?.close();
  await patientServer?.close();
});

const HOST = '8080-abc.e2b.localhost';
const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, String(n)]));

describe.each([
  ['HTTP/1.1', ask],
  ['HTTP/2', askHttp2],
] as const)('a request over %s', (_wire, send) => {
  const asked = (over: Partial<ClientRequest>) =>
    send({ host: '127.0.0.1', port: running.port }, { host: HOST, ...over });

  it.each<[string, Partial<ClientRequest>]>([
    ['99 headers and Host', { headers: numbered(99) }],
    ['a path that is not normal', { path: '/a/../b//c/%2e%2E;x?y=%20&&' }],
    ['underscores and other characters in names', { headers: { x_y: '1', "x!#$%&'*+.^`|~": '2' } }],
    ['bytes above 127 in values', { headers: { x: '\xfc' } }],
    ['a body', { method: 'PUT', body: 'x', headers: { 'content-length': '1' } }],
  ])('arrives with %s', async (_, over) => {
    expect(await asked(over)).toMatchObject({ status: 200, body: 'hello' });
    const [arrival] = sandbox.arrivals;
    expect(arrival).toMatchObject({
      url: over.path ?? '/',
      body: over.body ?? '',
      headers: over.headers ?? {},
    });
  });

  it.each<[string, Partial<ClientRequest>]>([
    ['headers of 55 KB', { headers: { x: 'a'.repeat(55_000) } }],
    ['a path of 55 KB', { path: `/${'a'.repeat(55_000)}` }],
  ])('arrives with %s, which many servers refuse', async (_, over) => {
    const before = patientServer.requests;
    gate.answer = () => allow({ destination: `127.0.0.1:${patientServer.port}` });
    expect((await asked(over)).status).toBe(200);
    expect(patientServer.requests).toBe(before + 1);
  });

  it.each<[string, Partial<ClientRequest>]>([
    ['110 headers', { headers: numbered(110) }],
    ['headers of 62 KB', { headers: { x: 'a'.repeat(62_000) } }],
  ])('is refused with %s', async (_, over) => {
    const refused = await asked(over).then(
      ({ status }) => status,
      () => 'reset',
    );
    expect([431, 'reset']).toContain(refused);
    expect(sandbox.arrivals).toEqual([]);
  });

  it('arrives without the Expect that Envoy answers', async () => {
    const body = 'x'.repeat(10);
    await asked({ method: 'POST', body, headers: { expect: '100-continue', 'content-length': '10' } });
    expect(sandbox.arrivals).toMatchObject([{ body }]);
    expect(sandbox.arrivals[0]!.headers).not.toHaveProperty('expect');
  });
});
