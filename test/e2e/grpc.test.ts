import { randomInt } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answered } from '../stack/client.ts';
import { ask, askHttp2 } from '../stack/client.ts';
import {
  type GrpcClient,
  type GrpcSandbox,
  openGrpcClient,
  startGrpcSandbox,
} from '../stack/grpc-sandbox.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import {
  hostOf,
  OTHER_TOKEN,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../stack/test-stack.ts';

/** A loopback address of its own, where a late server can be sure of its port. */
const LATE = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;

let stack: TestStack;
let server: GrpcSandbox;
let http1: Recorder;
let client: GrpcClient;
const clients: GrpcClient[] = [];

function connected(host: string, token?: string): GrpcClient {
  const opened = openGrpcClient(stack.https, stack.ca, host, token);
  clients.push(opened);
  return opened;
}

beforeAll(async () => {
  stack = await startTestStack();
  server = await startGrpcSandbox();
  http1 = await startRecorder();
  await stack.put(
    restricted('abc'),
    publicSandbox('open'),
    restricted('paused', { runtime: { route: { address: '127.0.0.1' }, state: 'paused' } }),
    publicSandbox('late', { runtime: { route: { address: LATE } } }),
  );
  client = connected(hostOf(server.port, 'abc'), TOKEN);
});

afterAll(async () => {
  for (const one of clients) one.close();
  server?.close();
  await stack?.stop();
  await http1?.close();
});

describe('a gRPC server in a sandbox, reached over TLS with the token', () => {
  it('answers every kind of call, with its trailers', async () => {
    expect(await client.unary('hello')).toMatchObject({
      code: status.OK,
      messages: ['hello'],
      trailers: ['kept'],
    });
    expect(await client.download()).toMatchObject({
      code: status.OK,
      messages: ['part 0', 'part 1', 'part 2'],
    });
    const parts = Array.from({ length: 10 }, () => Buffer.alloc(100_000));
    expect(await client.upload(parts)).toMatchObject({ code: status.OK, messages: ['1000000'] });
    expect(await client.chat(['one', 'two', 'three'])).toMatchObject({
      code: status.OK,
      messages: ['one', 'two', 'three'],
    });
    for (const metadata of server.calls) expect(metadata.get('e2b-traffic-access-token')).toEqual([]);
  });

  it('gives its own errors in its own words', async () => {
    const outcome = await client.unary('fail');
    expect(outcome).toMatchObject({ code: status.ABORTED, details: 'own words', trailers: ['kept'] });
    expect(outcome.metadata.get('x-sandgate-reason')).toEqual([]);
  });

  it('gets messages that are larger than every buffer', async () => {
    expect(await client.unary(Buffer.alloc(5_000_000))).toMatchObject({
      code: status.OK,
      messages: ['5000000 bytes'],
    });
  });

  it('ends at the deadline of the client, and learns of a cancelled call', async () => {
    expect((await client.unary('hang', { deadline: Date.now() + 200 })).code).toBe(status.DEADLINE_EXCEEDED);
    const before = server.calls.length;
    const arrived = (async () => {
      while (server.calls.length === before) await new Promise((resolve) => setImmediate(resolve));
    })();
    expect((await client.unary('hang', { cancel: arrived })).code).toBe(status.CANCELLED);
    await server.cancelled;
  });

  it('is waited for if it starts late', async () => {
    const probe = await startGrpcSandbox(0, LATE);
    const { port } = probe;
    probe.close();
    const asked = connected(hostOf(port, 'late')).unary('early');
    const late = new Promise<GrpcSandbox>((resolve, reject) =>
      setTimeout(() => startGrpcSandbox(port, LATE).then(resolve, reject), 300),
    );
    expect(await asked).toMatchObject({ code: status.OK, messages: ['early'] });
    (await late).close();
  });
});

describe('a gRPC client that is refused', () => {
  const refusals: [what: string, open: () => GrpcClient, code: status, details: RegExp, reason: string][] = [
    [
      'without a token',
      () => connected(hostOf(server.port, 'abc')),
      status.PERMISSION_DENIED,
      /^Sandbox is secured .* is missing$/,
      'token_missing',
    ],
    [
      'with a wrong token',
      () => connected(hostOf(server.port, 'abc'), OTHER_TOKEN),
      status.PERMISSION_DENIED,
      /is invalid$/,
      'token_invalid',
    ],
    [
      'at an unknown sandbox',
      () => connected(hostOf(80, 'nobody')),
      status.NOT_FOUND,
      /^The sandbox was not found$/,
      'sandbox_not_found',
    ],
    [
      'at a paused sandbox',
      () => connected(hostOf(80, 'paused'), TOKEN),
      status.NOT_FOUND,
      /^The sandbox was not found$/,
      'sandbox_not_found',
    ],
    [
      'with an invalid port',
      () => connected('0-abc.e2b.localhost', TOKEN),
      status.INVALID_ARGUMENT,
      /^Invalid sandbox port$/,
      'invalid_sandbox_port',
    ],
    [
      'at a closed port',
      () => connected(hostOf(1, 'open')),
      status.UNAVAILABLE,
      /^The sandbox is running but port is not open$/,
      'port_closed',
    ],
    [
      'by a server that speaks only HTTP/1.1',
      () => connected(hostOf(http1.port, 'open')),
      status.UNAVAILABLE,
      /could not be read$|port is not open$/,
      'upstream_',
    ],
  ];

  it.each(refusals)('%s learns why', async (_, open, code, details, reason) => {
    const arrived = server.calls.length;
    const outcome = await open().unary('hello');
    expect(outcome).toMatchObject({ code, details: expect.stringMatching(details), messages: [] });
    expect(String(outcome.metadata.get('x-sandgate-reason'))).toContain(reason);
    expect(server.calls).toHaveLength(arrived);
  });
});

describe('a client that only claims the type application/grpc', () => {
  const plain = ({ status, headers, body }: Answered) => ({
    status,
    type: headers['content-type'],
    reason: headers['x-sandgate-reason'],
    grpc: headers['grpc-status'],
    body,
  });

  it('gets the same refusal as without it', async () => {
    for (const host of [hostOf(server.port, 'abc'), hostOf(80, 'nobody'), hostOf(1, 'open'), 'nonsense']) {
      for (const headers of [{}, { accept: 'text/html', 'user-agent': 'Mozilla/5.0' }]) {
        const usual = plain(await ask(stack.http, { host, headers }));
        expect(usual.status).toBeGreaterThanOrEqual(400);
        const forged = { host, headers: { ...headers, 'content-type': 'application/grpc' } };
        expect(plain(await ask(stack.http, forged))).toEqual(usual);
        expect(plain(await askHttp2(stack.http, forged))).toEqual(usual);
      }
    }
  });

  it('gets its preflight', async () => {
    const headers = {
      origin: 'https://a',
      'access-control-request-method': 'POST',
      'content-type': 'application/grpc',
    };
    const answered = await ask(stack.http, { host: hostOf(server.port, 'abc'), method: 'OPTIONS', headers });
    expect(plain(answered)).toEqual({
      status: 204,
      type: undefined,
      reason: 'preflight',
      grpc: undefined,
      body: '',
    });
    expect(answered.headers['access-control-allow-methods']).toBe('POST');
  });

  it('reaches a server that speaks HTTP/1.1', async () => {
    http1.arrivals.length = 0;
    for (const type of ['application/grpc', 'application/grpc-web+proto', 'application/grpc-web-text']) {
      const request = {
        host: hostOf(http1.port, 'open'),
        method: 'POST',
        body: 'x',
        headers: { 'content-type': type },
      };
      expect(await ask(stack.http, request)).toMatchObject({ status: 200, body: 'hello' });
    }
    expect(http1.arrivals).toHaveLength(3);
  });
});
