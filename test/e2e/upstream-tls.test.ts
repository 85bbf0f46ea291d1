import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../stack/authority.ts';
import { type Answered, ask, type ClientRequest } from '../stack/client.ts';
import { closedPort } from '../stack/closed-port.ts';
import { type GrpcSandbox, openGrpcClient, startGrpcSandbox } from '../stack/grpc-sandbox.ts';
import { type Recorder, type ServerTls, startRecorder } from '../stack/recorder.ts';
import { hostOf, publicSandbox, startTestStack, type TestStack } from '../stack/test-stack.ts';
import { askWebSocket, askWebSocketHttp2, ECHOED } from '../stack/websocket.ts';
import { askLateServer } from './late-server.ts';

let folder: string;
let tls: ServerTls;
let stack: TestStack;
let up: Recorder;
let plain: Recorder;
let grpc: GrpcSandbox;
let plainGrpc: GrpcSandbox;
let closed: number;
/** What the TLS server learned from each handshake. */
const handshakes: { name: unknown; protocol: unknown }[] = [];

const dialed = (tlsPorts?: number[]) => ({
  runtime: { route: { address: '127.0.0.1', ...(tlsPorts && { tlsPorts }) } },
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-tls-'));
  const authority = await createAuthority(folder, 'sandbox');
  const { certificate, key } = await authority.issue('server', ['localhost']);
  tls = { cert: readFileSync(certificate), key: readFileSync(key) };
  stack = await startTestStack();
  up = await startRecorder(0, '127.0.0.1', tls);
  up.answer = (request, response) => {
    const { servername, alpnProtocol } = request.socket as TLSSocket & { servername?: unknown };
    handshakes.push({ name: servername, protocol: alpnProtocol });
    response.end('over TLS');
  };
  plain = await startRecorder();
  grpc = await startGrpcSandbox(0, '127.0.0.1', tls);
  plainGrpc = await startGrpcSandbox();
  closed = await closedPort();
  const tlsPorts = [up.port, plain.port, grpc.port, plainGrpc.port, closed];
  await stack.put(publicSandbox('tls', dialed(tlsPorts)), publicSandbox('other', dialed([1])));
});
afterAll(async () => {
  grpc?.close();
  plainGrpc?.close();
  await plain?.close();
  await up?.close();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const post = (over: Partial<ClientRequest>) => (host: string) =>
  ask(stack.http, { host, method: 'POST', ...over });
/** One by each route of the Envoy config, and so one for each cluster. */
const REQUESTS: [what: string, send: (host: string) => Promise<Answered>][] = [
  ['a GET', (host) => ask(stack.http, { host })],
  ['a POST', post({ body: 'short' })],
  ['a POST of unknown length', post({ body: 'short', headers: { 'transfer-encoding': 'chunked' } })],
  ['a POST that is longer than the buffer', post({ body: 'x'.repeat(300_000) })],
];
const SOCKETS: typeof REQUESTS = [
  ['a WebSocket', (host) => askWebSocket(stack.http, { host })],
  ['a WebSocket over HTTP/2', (host) => askWebSocketHttp2(stack.http, { host })],
];

describe('a port of tlsPorts', () => {
  it.each(REQUESTS)('is dialed with TLS for %s', async (_, send) => {
    expect(await send(hostOf(up.port, 'tls'))).toMatchObject({ status: 200, body: 'over TLS' });
  });

  it.each(SOCKETS)('is dialed with TLS for %s', async (_, send) => {
    expect((await send(hostOf(up.port, 'tls'))).body).toBe(ECHOED);
  });

  it('is dialed with TLS for gRPC', async () => {
    const client = openGrpcClient(stack.https, stack.ca, hostOf(grpc.port, 'tls'));
    expect(await client.unary('hello')).toMatchObject({ code: status.OK, messages: ['hello'] });
    expect(await client.chat(['one', 'two'])).toMatchObject({ code: status.OK, messages: ['one', 'two'] });
    client.close();
  });

  it('is told no server name, and HTTP/1.1', () => {
    expect(handshakes.length).toBeGreaterThan(0);
    expect(handshakes).toEqual(handshakes.map(() => ({ name: false, protocol: 'http/1.1' })));
  });

  it.each([...REQUESTS, ...SOCKETS])('on which nothing listens is a closed port for %s', async (_, send) => {
    const answered = await send(hostOf(closed, 'tls'));
    expect(answered).toMatchObject({ status: 502, headers: { 'x-sandgate-reason': 'port_closed' } });
  });

  it.each([...REQUESTS, ...SOCKETS])(
    'with a server that does not speak TLS is not called closed for %s',
    async (_, send) => {
      const answered = await send(hostOf(plain.port, 'tls'));
      expect(answered).toMatchObject({
        status: 502,
        headers: { 'x-sandgate-reason': 'upstream_protocol_error' },
      });
      expect(answered.body).toContain("The sandbox's answer could not be read");
      expect(plain.arrivals).toEqual([]);
    },
  );

  it('with a gRPC server that does not speak TLS is unavailable', async () => {
    const client = openGrpcClient(stack.https, stack.ca, hostOf(plainGrpc.port, 'tls'));
    expect(await client.unary('hello')).toMatchObject({ code: status.UNAVAILABLE });
    expect(plainGrpc.calls).toEqual([]);
    client.close();
  });

  it.each(['GET', 'POST'])('may have a server that starts late: %s', async (method) => {
    const late = async (port: number) => {
      await stack.put(publicSandbox('late', dialed([port])));
      return { host: hostOf(port, 'late'), method };
    };
    const { answered, arrivals } = await askLateServer(stack.http, late, 600, tls);
    expect(answered).toMatchObject({ status: 200, body: 'hello' });
    expect(arrivals).toHaveLength(1);
  });
});

describe('any other port', () => {
  it.each(REQUESTS)('is dialed without TLS for %s', async (_, send) => {
    expect(await send(hostOf(plain.port, 'other'))).toMatchObject({ status: 200, body: 'hello' });
  });

  it('never gets a connection that was made for TLS, or the reverse', async () => {
    const get = async (tlsPorts?: number[]) => {
      await stack.put(publicSandbox('changed', dialed(tlsPorts)));
      return (await ask(stack.http, { host: hostOf(up.port, 'changed') })).status;
    };
    expect([await get([up.port]), await get(), await get([up.port])]).toEqual([200, 502, 200]);
  });
});
