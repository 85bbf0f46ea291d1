import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2, http2Session } from '../../stack/client.ts';
import { hostOf, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf, get, openRaw } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let open: Sandbox;
let masked: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  open = await scene.public('open');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a mask holds its placeholder as written
  masked = await scene.public('masked', { access: { maskRequestHost: 'localhost:${PORT}' } });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

/** Every such name in Envoy's source, including response headers, and two that do not exist. */
const ENVOY_HEADERS = `
  attempt-count auth-failure-mode-allowed auth-partial-body cluster cluster-trailer decorator-operation degraded
  downstream-service-cluster downstream-service-node expected-rq-timeout-ms external-address fault-abort-grpc-request
  fault-abort-request fault-abort-request-percentage fault-delay-request fault-delay-request-percentage
  fault-throughput-response force-trace hedge-on-per-try-timeout immediate-health-check-fail internal ip-tags
  is-timeout-retry local-overloaded max-retries not-forwarded original-dst-host original-host original-method
  original-path original-url overloaded peer-metadata peer-metadata-id ratelimited retriable-header-names
  retriable-status-codes retry-grpc-on retry-on upstream-alt-stat-name upstream-canary upstream-healthchecked-cluster
  upstream-rq-per-try-timeout-ms upstream-rq-timeout-alt-response upstream-rq-timeout-ms upstream-service-time
  upstream-stream-duration-ms wasm-callout- made-up`
  .trim()
  .split(/\s+/)
  .map((name) => `x-envoy-${name}`);
const OTHERS =
  `forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-forwarded-client-cert
  x-forwarded-prefix x-forwarded-scheme x-forwarded-ssl x-forwarded-user x-sandgate-reason x-sandgate-made-up`.split(
    /\s+/,
  );
const SPOOFED = [...ENVOY_HEADERS, ...OTHERS];

/** Values that would have an effect if the header were trusted. */
function spoofs(names: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {
    'x-envoy-original-dst-host': `${masked.address}:${masked.app.port}`,
    'x-envoy-decorator-operation': 'spoof',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': masked.host,
  };
  return Object.fromEntries(
    names.map((name) => [name, values[name] ?? (name.endsWith('-ms') ? '1' : '400')]),
  );
}

function expectNoSpoof(request: { rawHeaders: [string, string][] } | undefined): void {
  const names = request!.rawHeaders.map(([name]) => name.toLowerCase()).sort();
  const own = [
    'connection',
    'host',
    'transfer-encoding',
    'x-forwarded-for',
    'x-forwarded-proto',
    'x-request-id',
  ];
  expect(names.filter((name) => !own.includes(name))).toEqual([]);
  const values = Object.fromEntries(request!.rawHeaders.map(([name, value]) => [name.toLowerCase(), value]));
  expect(values['x-forwarded-for']).not.toContain('203.0.113.7');
  expect(values['x-forwarded-proto']).toBe('http');
}

describe('C6: a header that only Envoy and the gate may set', () => {
  it('never arrives from a client and has no effect, over HTTP/1.1', async () => {
    for (const names of [ENVOY_HEADERS, OTHERS]) {
      const answer = await ask(scene.stack.http, { host: open.host, headers: spoofs(names) });
      expect(answer).toMatchObject({ status: 200, body: 'hello' });
      expectNoSpoof(open.app.arrivals.at(-1));
    }
    expect(scene.arrived()).toBe(2);
  });

  it('never arrives from a client and has no effect, over HTTP/2', async () => {
    const headers = spoofs(SPOOFED);
    expect(await askHttp2(scene.stack.http, { host: open.host, headers })).toMatchObject({
      status: 200,
      body: 'hello',
    });
    expectNoSpoof(open.app.arrivals[0]);
    expect(scene.arrived()).toBe(1);
  });

  it.each(SPOOFED)('does not arrive as %s in any case, nor twice', async (name) => {
    const value = spoofs([name])[name];
    const lines = [name.toUpperCase(), name, name.replace(/(^|-)./g, (start) => start.toUpperCase())];
    const answer = await askOnce(
      scene.stack.http,
      get(
        open.host,
        lines.map((line) => `${line}: ${value}`),
      ),
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expectNoSpoof(open.app.arrivals[0]);
    expect(scene.arrived()).toBe(1);
  });

  it('does not cut a slow answer short or cause a retry', async () => {
    let answered = 0;
    open.app.answer = (_request, response) => {
      answered++;
      setTimeout(() => response.writeHead(503).end('slow'), 100);
    };
    const headers = { ...spoofs(ENVOY_HEADERS), 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '9' };
    expect(await ask(scene.stack.http, { host: open.host, headers })).toMatchObject({
      status: 503,
      body: 'slow',
    });
    expect(answered).toBe(1);
  });

  it('gives a masked sandbox the requested Host, not the one that a client claims', async () => {
    const headers = { 'x-forwarded-host': 'evil.example' };
    await ask(scene.stack.http, { host: masked.host, headers });
    expect(masked.app.arrivals[0]!.headers).toMatchObject({
      host: `localhost:${masked.app.port}`,
      'x-forwarded-host': masked.host,
    });
  });
});

describe('C6: a sandbox that impersonates the gate', () => {
  const lies = {
    'x-sandgate-reason': 'unavailable',
    'X-SANDGATE-Made-Up': 'a',
    'x-envoy-overloaded': 'true',
    'x-envoy-immediate-health-check-fail': 'true',
    'x-envoy-upstream-service-time': '1',
    kept: 'yes',
  };

  it.each([200, 204, 302, 403, 500, 502, 503])('is ignored with a %i', async (status) => {
    open.app.answer = (_request, response) => void response.writeHead(status, lies).end();
    for (const send of [ask, askHttp2]) {
      const { status: got, headers } = await send(scene.stack.http, { host: open.host });
      expect(got).toBe(status);
      expect(headers.kept).toBe('yes');
      expect(Object.keys(headers).filter((name) => name.startsWith('x-sandgate'))).toEqual([]);
    }
    // Nor does it take itself or another sandbox out of service.
    expect((await ask(scene.stack.http, { host: masked.host })).status).toBe(200);
  });

  it('is ignored in trailers and early hints', async () => {
    open.app.answer = (_request, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload', 'x-sandgate-reason': 'unavailable' });
      response.writeHead(200, { trailer: 'x-sandgate-reason' });
      response.write('body');
      response.addTrailers({ 'x-sandgate-reason': 'unavailable' });
      response.end();
    };
    const answer = await askOnce(scene.stack.http, get(open.host, ['TE: trailers']));
    expect(answer).toContain('body');
    expect(answer).not.toMatch(/^x-sandgate/im);
    const session = await http2Session(scene.stack.http);
    const stream = session.request({ ':authority': open.host, te: 'trailers' });
    const seen: object[] = [];
    for (const part of ['headers', 'response', 'trailers']) stream.on(part, (headers) => seen.push(headers));
    await new Promise((resolve) => stream.resume().once('close', resolve));
    session.destroy();
    expect(seen[0]).toMatchObject({ ':status': 200 });
    expect(seen.flatMap((headers) => Object.keys(headers)).filter((name) => name.startsWith('x-'))).toEqual(
      [],
    );
  });

  it('is ignored when it accepts or refuses an upgrade', async () => {
    const raw = await openRaw(scene.stack.http);
    raw.send(
      bytesOf([
        'GET / HTTP/1.1',
        `Host: ${open.host}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: a',
      ]),
    );
    expect((await raw.until('\r\n\r\n')).toLowerCase()).not.toContain('x-sandgate');
    raw.socket.destroy();
  });

  it('does not affect the gate’s own headers', async () => {
    const closed = await ask(scene.stack.http, { host: hostOf(1, 'open') });
    expect(closed.headers['x-sandgate-reason']).toBe('port_closed');
    const locked = await scene.restricted('locked');
    const lied = { 'x-sandgate-reason': 'preflight', 'e2b-traffic-access-token': TOKEN.slice(1) };
    const refused = await ask(scene.stack.http, { host: locked.host, headers: lied });
    expect(refused.headers['x-sandgate-reason']).toBe('token_invalid');
  });
});
