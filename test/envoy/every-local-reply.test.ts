import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type { Address } from '../../src/address.ts';
import { GRPC_STATUS, grpcHeaders } from '../../src/decision/grpc.ts';
import type { Reason } from '../../src/decision/reasons.ts';
import { ENVOY_REFUSALS, REFUSALS } from '../../src/decision/refusals.ts';
import { askOnce, bytesOf, openRaw } from '../attack/raw-http1.ts';
import { type Answered, ask, askHttp2, type ClientRequest } from '../stack/client.ts';
import { closedPort } from '../stack/closed-port.ts';
import { eventually } from '../stack/eventually.ts';
import { PATIENCE_MS } from '../stack/patience.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { allow, answer, type StubGate, startStubGate } from './stub-gate.ts';

const HEAP = 'envoy.resource_monitors.fixed_heap';
const HEAP_TYPE = 'type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig';
const HOST = '8080-abc.e2b.localhost';
const COMMON = {
  'access-control-allow-origin': '*',
  'cache-control': 'no-store',
  vary: 'accept, sec-fetch-mode, user-agent',
};
const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** A local reply that a client can cause, and how. The path tells the gate and the server what to do. */
interface Row {
  what: string;
  request: Omit<ClientRequest, 'host'>;
  status: number;
  reason: Reason;
  /** For bodies that are not the JSON of sandbox, message, port and code. */
  body?: string;
  /** Only over HTTP/1.1: HTTP/2 has no such request, or resets its stream. */
  http1Only?: true;
}

const many = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`x-${n}`, '1']));
const message = (reason: 'unavailable' | 'overloaded') =>
  JSON.stringify({ message: { ...REFUSALS, ...ENVOY_REFUSALS }[reason].message, code: 503 });
const badRequest = (detail: string) => `Bad request: ${detail}\n`;

const ROWS: readonly Row[] = [
  { what: 'nothing listens', request: { path: '/closed' }, status: 502, reason: 'port_closed' },
  { what: 'an allow without destination', request: { path: '/nowhere' }, status: 502, reason: 'port_closed' },
  {
    what: 'the server closes',
    request: { method: 'POST', path: '/breaks', headers: { 'content-length': '1' }, body: 'x' },
    status: 502,
    reason: 'upstream_failed',
  },
  // A GET is sent a second time, and Envoy does not tell why the second attempt failed.
  { what: 'the server closes twice', request: { path: '/breaks' }, status: 502, reason: 'port_closed' },
  { what: 'no HTTP', request: { path: '/ssh' }, status: 502, reason: 'upstream_protocol_error' },
  { what: 'an endless head', request: { path: '/endless' }, status: 502, reason: 'upstream_protocol_error' },
  { what: 'the server is silent', request: { path: '/silent' }, status: 502, reason: 'upstream_failed' },
  {
    what: 'the gate fails',
    request: { path: '/fails' },
    status: 503,
    reason: 'unavailable',
    body: message('unavailable'),
  },
  {
    what: 'the gate changes a forbidden header',
    request: { path: '/forbidden', headers: { cookie: 'a=b' } },
    status: 503,
    reason: 'unavailable',
    body: message('unavailable'),
  },
  {
    what: 'a denial that the gate did not mark',
    request: { path: '/unmarked' },
    status: 503,
    reason: 'unavailable',
    body: message('unavailable'),
  },
  {
    what: 'OPTIONS *',
    request: { method: 'OPTIONS', path: '*' },
    status: 404,
    reason: 'bad_request',
    body: badRequest('absolute_path_rejected'),
  },
  {
    what: 'a fragment in the path',
    request: { path: '/a#b' },
    status: 400,
    reason: 'bad_request',
    body: badRequest('path_normalization_failed'),
  },
  {
    what: 'a stalled upload',
    request: { method: 'POST', path: '/reads', headers: { 'content-length': '5' }, body: '' },
    status: 408,
    reason: 'bad_request',
    body: badRequest('stream_idle_timeout'),
    http1Only: true,
  },
  {
    what: 'too many headers',
    request: { headers: many },
    status: 431,
    reason: 'bad_request',
    body: badRequest('http1.too_many_headers'),
    http1Only: true,
  },
  {
    what: 'an unknown upgrade',
    request: { headers: { connection: 'upgrade', upgrade: 'foo' } },
    status: 400,
    reason: 'upgrade_refused',
    body: `${ENVOY_REFUSALS.upgrade_refused.message}\n`,
    http1Only: true,
  },
  {
    what: 'a tcp upgrade with a body',
    request: {
      method: 'POST',
      path: '/reads',
      headers: { connection: 'upgrade', upgrade: 'TCP', 'content-length': '2' },
      body: '{}',
    },
    status: 400,
    reason: 'upgrade_refused',
    body: `${ENVOY_REFUSALS.upgrade_refused.message}\n`,
    http1Only: true,
  },
];

let server: Server;
let closed: number;
let running: RunningEnvoy;
let gate: StubGate;
let ingress: Address;
/** Heads of the requests that reached the server. */
const arrived: string[] = [];

const BEHAVIOUR: Record<string, (socket: Socket) => void> = {
  '/breaks': (socket) => socket.destroy(),
  '/ssh': (socket) => socket.write('SSH-2.0-x\r\n'),
  '/endless': (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n`),
  '/silent': () => {},
  '/reads': () => {},
  '/handshake': (socket) =>
    socket.write(
      'HTTP/1.1 302 Found\r\nlocation: /login\r\nx-sandgate-reason: token_invalid\r\ncontent-length: 0\r\n\r\n',
    ),
  '/own': (socket) =>
    socket.write(
      'HTTP/1.1 503 Own\r\nx-own: 1\r\nx-sandgate-reason: overloaded\r\ncontent-length: 3\r\n\r\nown',
    ),
};

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      const head = bytes.toString('latin1');
      arrived.push(head);
      // HTTP/2 with prior knowledge, to a server that does not speak it.
      if (head.startsWith('PRI '))
        return void socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
      BEHAVIOUR[head.split(' ')[1]!]?.(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closed = await closedPort();
  running = await startRunningEnvoy({}, (config) =>
    config
      .replace(/stream_idle_timeout: \w+/, 'stream_idle_timeout: 1s')
      .replaceAll(/ idle_timeout: 3600s/g, ' idle_timeout: 1s')
      // Retries would take longer than that.
      .replaceAll(/(num_retries|max_connect_attempts): 16/g, '$1: 1'),
  );
  ingress = { host: '127.0.0.1', port: running.port };
  gate = await startStubGate(running.gateSocket);
  gate.answer = ({ attributes }) => {
    const { path } = attributes.request.http;
    const destination = `127.0.0.1:${path === '/closed' ? closed : (server.address() as { port: number }).port}`;
    switch (path) {
      case '/fails':
        throw new Error('broken');
      case '/forbidden':
        return allow({ destination, headers: { cookie: 'a' } });
      case '/nowhere':
        return allow();
      case '/denied':
        return answer(
          403,
          { 'x-sandgate-reason': 'token_missing', 'content-type': JSON_TYPE, ...COMMON },
          '{"é":"%"}',
        );
      case '/unmarked':
        return { ...answer(403, {}, 'no'), dynamic_metadata: undefined };
      default:
        return allow({ destination });
    }
  };
  await running.envoy.waitForGate(PATIENCE_MS);
});

afterAll(async () => {
  await running?.stop();
  gate?.close();
  server?.close();
});

const GRPC_TYPE = { 'content-type': 'application/grpc+proto' };
const FORGED = [{}, { 'content-type': 'application/grpc' }, GRPC_TYPE];
const wires = [ask, askHttp2] as const;

/** Headers of the connection and of the body's framing. */
const FRAMING = /^(:status|date|connection|keep-alive|transfer-encoding|content-length)$/;

function said({ status, headers, body }: Answered) {
  const kept = Object.entries(headers).filter(([name]) => !FRAMING.test(name));
  return { status, headers: Object.fromEntries(kept) as Record<string, unknown>, body };
}

function expected({ status, reason, body }: Row) {
  const { message } = { ...REFUSALS, ...ENVOY_REFUSALS }[reason as keyof typeof REFUSALS];
  const json = JSON.stringify({ sandboxId: 'abc', message, port: 8080, code: status });
  return {
    status,
    headers: {
      'x-sandgate-reason': reason,
      ...COMMON,
      ...(status === 503 && { 'retry-after': '1' }),
      ...(body?.endsWith('\n') ? TEXT : { 'content-type': JSON_TYPE }),
    },
    body: body ?? json,
  };
}

describe('a local reply has the body and headers of the contract, whatever content type the request claims', () => {
  it.each(ROWS.map((row) => [row.what, row] as const))('%s', async (_, row) => {
    for (const wire of row.http1Only ? [ask] : wires) {
      const asked = FORGED.map(({ 'content-type': type }: { 'content-type'?: string }) => {
        const headers = { ...row.request.headers, ...(type !== undefined && { 'content-type': type }) };
        return wire(ingress, { host: HOST, ...row.request, headers });
      });
      for (const answered of await Promise.all(asked)) expect(said(answered)).toEqual(expected(row));
    }
  });

  it.each(
    ROWS.filter(({ request }) => request.path?.startsWith('/') && !request.headers?.['content-length']).map(
      (row) => [row.what, row] as const,
    ),
  )('to a gRPC client with the same status, and a grpc-status: %s', async (_, row) => {
    for (const wire of row.http1Only ? [ask] : wires) {
      const headers = { ...row.request.headers, ...GRPC_TYPE, te: 'trailers' };
      const {
        status,
        headers: got,
        body,
      } = said(await wire(ingress, { host: HOST, ...row.request, headers }));
      // A server that does not speak HTTP/2 gives an unreadable answer in other ways.
      const failed = row.reason.startsWith('upstream_') || row.request.path === '/breaks';
      const reason = failed ? (got['x-sandgate-reason'] as Reason) : row.reason;
      if (failed) expect(reason).toMatch(/^upstream_(failed|protocol_error)$/);
      // Before a route is known, Envoy cannot know a gRPC client.
      const early = status < 500 && got['grpc-status'] === undefined;
      if (early) expect({ status, reason: got['x-sandgate-reason'] }).toEqual({ status: row.status, reason });
      else {
        expect({ status, body }).toEqual({ status: row.status, body: '' });
        expect(got).toMatchObject({
          'x-sandgate-reason': reason,
          ...Object.fromEntries(grpcHeaders(reason)),
        });
      }
    }
  });

  it('to a HEAD request too, without the body', async () => {
    for (const { 'content-type': type } of FORGED as { 'content-type'?: string }[]) {
      const headers = type === undefined ? {} : { 'content-type': type };
      const answered = await ask(ingress, { host: HOST, method: 'HEAD', path: '/denied', headers });
      expect(said(answered)).toMatchObject({ status: 403, body: '', headers: { 'content-type': JSON_TYPE } });
    }
  });
});

describe('an answer of the gate', () => {
  it('is the same to a request of type application/grpc', async () => {
    for (const wire of wires) {
      const plain = said(await wire(ingress, { host: HOST, path: '/denied' }));
      for (const headers of FORGED) {
        expect(
          said(
            await wire(ingress, { host: HOST, path: '/denied', headers: headers as Record<string, string> }),
          ),
        ).toEqual(plain);
      }
    }
  });

  it('is counted and logged with its status, never as a 200', async () => {
    const before = await running.stat('http.ingress.downstream_rq_2xx');
    const refused = await running.stat('http.ingress.downstream_rq_4xx');
    for (const more of [{}, { te: 'trailers' }]) {
      await askHttp2(ingress, { host: HOST, path: '/denied', headers: { ...GRPC_TYPE, ...more } });
    }
    expect(await running.stat('http.ingress.downstream_rq_2xx')).toBe(before);
    expect(await running.stat('http.ingress.downstream_rq_4xx')).toBe(refused + 2);
    const lines = running
      .accessLog()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const refusals = lines.filter(({ reason }) => reason !== null && reason !== undefined);
    expect(refusals.length).toBeGreaterThan(2);
    for (const { code } of refusals) expect(code).toBeGreaterThanOrEqual(400);
  });
});

describe("a sandbox's own answer", () => {
  it.each([{}, GRPC_TYPE])('is not touched, although it looks like a refusal, with %j', async (headers) => {
    const answered = await ask(ingress, {
      host: HOST,
      path: '/own',
      headers: headers as Record<string, string>,
    });
    expect(said(answered)).toEqual({ status: 503, headers: { 'x-own': '1' }, body: 'own' });
  });

  it('to a WebSocket handshake cannot speak for the gate, although Envoy passes on its head alone', async () => {
    const bytes = bytesOf([
      'GET /handshake HTTP/1.1',
      `Host: ${HOST}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
    ]);
    const text = await askOnce(ingress, bytes);
    expect(text).toMatch(/^HTTP\/1\.1 302 /);
    expect(text).toContain('location: /login\r\n');
    expect([...text.matchAll(/^x-sandgate-.*$/gm)].map(([line]) => line)).toEqual([
      'x-sandgate-reason: upgrade_refused',
    ]);
  });
});

describe('requests that Envoy cannot read', () => {
  it.each([
    ['a malformed head', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'http1.codec_error'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'missing_host_header'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n', 426, 'low_version'],
    [
      'an unknown coding',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n',
      501,
      'http1.invalid_transfer_encoding',
    ],
    ['a CONNECT', 'CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n', 404, 'route_not_found'],
    [
      'QUERY without a content type',
      'QUERY / HTTP/1.1\r\nHost: x\r\n\r\n',
      400,
      'query_missing_content_type',
    ],
  ])("get the contract's headers and a reason: %s", async (_, bytes, status, detail) => {
    const text = await askOnce(ingress, bytes);
    expect(text.split(' ')[1]).toBe(String(status));
    for (const [name, value] of Object.entries({ ...COMMON, ...TEXT, 'x-sandgate-reason': 'bad_request' })) {
      expect(text).toContain(`\r\n${name}: ${value}\r\n`);
    }
    expect(text).toMatch(new RegExp(`\r\n\r\nBad request: ${detail}\n$`));
  });
});

describe('trouble of Envoy itself', () => {
  const troubled = async (
    change: (config: {
      static_resources: { clusters: Record<string, unknown>[] };
      overload_manager: object;
    }) => void,
  ) => {
    const ill = await startRunningEnvoy({}, (text) => {
      const config = parse(text);
      change(config);
      return stringify(config, { aliasDuplicateObjects: false });
    });
    const stub = await startStubGate(ill.gateSocket);
    stub.answer = gate.answer;
    await ill.envoy.waitForGate(PATIENCE_MS);
    return {
      at: { host: '127.0.0.1', port: ill.port },
      stop: async () => {
        await ill.stop();
        stub.close();
      },
    };
  };
  const overloaded = expected({
    what: '',
    request: {},
    status: 503,
    reason: 'overloaded',
    body: message('overloaded'),
  });

  it('is a 503 with its own reason if a circuit breaker opens', async () => {
    const ill = await troubled((config) => {
      for (const cluster of config.static_resources.clusters) {
        if (cluster.type === 'ORIGINAL_DST') cluster.circuit_breakers = { thresholds: [{ max_requests: 0 }] };
      }
    });
    try {
      for (const wire of wires) {
        for (const headers of FORGED as Record<string, string>[]) {
          expect(said(await wire(ill.at, { host: HOST, path: '/own', headers }))).toEqual(overloaded);
        }
        const headers = { ...GRPC_TYPE, te: 'trailers' };
        const answered = said(await wire(ill.at, { host: HOST, path: '/own', headers }));
        expect(answered).toMatchObject({
          status: 503,
          headers: Object.fromEntries(grpcHeaders('overloaded')),
        });
      }
    } finally {
      await ill.stop();
    }
  });

  it('is the same in a real overload, except that Envoy then runs no filter: to type application/grpc it says 200', async () => {
    const ill = await troubled((config) => {
      config.overload_manager = {
        refresh_interval: '0.05s',
        resource_monitors: [
          { name: HEAP, typed_config: { '@type': HEAP_TYPE, max_heap_size_bytes: 1_000_000 } },
        ],
        actions: [
          {
            name: 'envoy.overload_actions.stop_accepting_requests',
            triggers: [{ name: HEAP, threshold: { value: 0.95 } }],
          },
        ],
      };
    });
    try {
      for (const wire of wires) {
        const asked = (headers: Record<string, string>) =>
          wire(ill.at, { host: HOST, path: '/own', headers });
        await eventually(async () => expect(said(await asked({}))).toEqual(overloaded));
        const { status, headers, body } = said(await asked(GRPC_TYPE));
        expect({ status, body }).toEqual({ status: 200, body: '' });
        expect(headers).toMatchObject({
          ...COMMON,
          'x-sandgate-reason': 'overloaded',
          'grpc-status': String(GRPC_STATUS.overloaded),
        });
      }
    } finally {
      await ill.stop();
    }
  });

  it('is a 507 with its own reason if the upload of a gRPC call outgrows the buffer while a connection is retried', async () => {
    const ill = await troubled((config) => {
      const backOff = '"base_interval":"0.15s","max_interval":"0.25s"';
      const slow = JSON.stringify(config).replaceAll(backOff, '"base_interval":"100s","max_interval":"100s"');
      Object.assign(config, JSON.parse(slow));
    });
    const raw = await openRaw(ill.at);
    const grpc = ['Content-Type: application/grpc', 'TE: trailers'];
    raw.send(bytesOf(['POST /closed HTTP/1.1', `Host: ${HOST}`, 'Content-Length: 10000000', ...grpc]));
    // Not in one piece: what arrives before the first refusal counts too, and is a 502.
    const upload = setInterval(() => raw.send('x'.repeat(32_768)), 10);
    try {
      const text = await raw.until('\r\n\r\n');
      expect(text).toMatch(/^HTTP\/1\.1 507 /);
      expect(text).toContain('\r\nx-sandgate-reason: upload_not_buffered\r\n');
      expect(text).toContain(`\r\ngrpc-message: ${ENVOY_REFUSALS.upload_not_buffered.message}\r\n`);
    } finally {
      clearInterval(upload);
      raw.socket.destroy();
      await ill.stop();
    }
  });
});
