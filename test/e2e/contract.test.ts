import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answered, ask, askHttp2, openWebSocket } from '../stack/client.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import {
  hostOf,
  publicSandbox,
  restricted,
  startTestStack,
  type TestStack,
  TOKEN,
} from '../stack/test-stack.ts';
import { askLateServer } from './late-server.ts';

const ID = 'isv6ril5xadwn1k9t2jye';
const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };
const BROWSER = { 'user-agent': 'Mozilla/5.0', accept: 'text/html', 'sec-fetch-mode': 'navigate' };
const NOW = Date.now();

let stack: TestStack;
let up: Recorder;
beforeAll(async () => {
  stack = await startTestStack({ domains: 'e2b.localhost,*.e2b.app,e2b-test.app' });
  up = await startRecorder();
  await stack.put(
    restricted(ID),
    publicSandbox('public1'),
    restricted('paused1', { runtime: { state: 'paused' } }),
    restricted('moving1', { runtime: { state: 'transitioning' } }),
    restricted('ended1', { runtime: { endsAt: new Date(NOW - 1000).toISOString() } }),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the gate replaces it
    restricted('masked1', { access: { maskRequestHost: 'app.test:${PORT}' } }),
    restricted('node1', { runtime: { route: { address: '127.0.0.1', port: up.port } } }),
    restricted('forward1', { access: { upstreamToken: 'forward' } }),
  );
});
afterAll(async () => {
  await up?.close();
  await stack?.stop();
});

/** What the sandbox's server saw last. */
const arrival = () => up.arrivals.at(-1)!;

describe('a target', () => {
  it.each([
    ['legacy host', (port: number) => `${port}-${ID}-6532622b.e2b.app`, {}],
    ['other domain', (port: number) => `${port}-${ID}-6532622b.e2b-test.app`, {}],
    ['deeper domain', (port: number) => `${port}-${ID}-6532622b.demo.e2b.app`, {}],
    ['host', (port: number) => `${port}-${ID}.e2b.app`, {}],
    ['localhost and headers', () => 'localhost:1234', { 'e2b-sandbox-id': ID, 'e2b-sandbox-port': 'PORT' }],
    ['IPv4 and headers', () => '34.120.5.10:3002', { 'e2b-sandbox-id': ID, 'e2b-sandbox-port': 'PORT' }],
    ['IPv6 and headers', () => '[::1]:1234', { 'e2b-sandbox-id': ID, 'e2b-sandbox-port': 'PORT' }],
    [
      'shared host and headers',
      () => 'sandbox.e2b.app',
      { 'e2b-sandbox-id': ID, 'e2b-sandbox-port': 'PORT' },
    ],
    [
      'host that beats headers',
      (port: number) => `${port}-${ID}.e2b.app`,
      { 'e2b-sandbox-id': 'other', 'e2b-sandbox-port': '1' },
    ],
  ] as const)('is reached by %s over HTTP/1.1, HTTP/2 and WebSocket', async (_name, hostFor, routing) => {
    const host = hostFor(up.port);
    const headers: Record<string, string> = { ...WITH_TOKEN };
    for (const [name, value] of Object.entries(routing))
      headers[name] = value === 'PORT' ? String(up.port) : value;
    for (const answered of [
      await ask(stack.http, { host, headers }),
      await askHttp2(stack.http, { host, headers }),
    ]) {
      expect(answered).toMatchObject({ status: 200, body: 'hello' });
      expect(Object.keys(arrival().headers).filter((name) => name.startsWith('e2b-'))).toEqual([]);
    }
    const opened = await openWebSocket(stack.http, { host, headers });
    expect(opened).toHaveProperty('socket');
    if ('socket' in opened) opened.socket.terminate();
  });

  it.each([
    ['Invalid host', `${ID}.e2b.app`, {}],
    ['Invalid sandbox port', `abcd-${ID}.e2b.app`, {}],
    ['Invalid host', `49983-${ID}`, {}],
    ['Invalid host', `49983-${ID}:8080`, {}],
    ['Invalid sandbox ID', 'localhost:1234', { 'e2b-sandbox-id': 'sbx:123', 'e2b-sandbox-port': '8080' }],
    ['Invalid sandbox ID', 'localhost:1234', { 'e2b-sandbox-id': 'SBX_UPPER', 'e2b-sandbox-port': '8080' }],
    ['missing header', 'localhost:1234', { 'e2b-sandbox-port': '8080' }],
    ['missing header', 'localhost:1234', { 'e2b-sandbox-id': ID }],
    ['Invalid host', 'sandbox.e2b.app', {}],
    ['Invalid host', 'localhost:3000', {}],
    ['Invalid host', '127.0.0.1:3000', {}],
    ['Invalid host', `8080-${ID}.elsewhere.example`, {}],
  ] as const)('gets 400 %s for %s with %j', async (text, host, headers) => {
    for (const answered of [
      await ask(stack.http, { host, headers }),
      await askHttp2(stack.http, { host, headers }),
    ]) {
      expect(answered).toMatchObject({
        status: 400,
        body: `${text}\n`,
        headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
      });
    }
  });
});

const SECURED = 'Sandbox is secured with traffic access token.';
const HEADER = "'e2b-traffic-access-token'";
const refusals = [
  [
    'token_missing',
    () => hostOf(up.port, ID),
    {},
    403,
    `{"sandboxId":"${ID}","message":"${SECURED} Token header ${HEADER} is missing","code":403}`,
    'Missing Traffic Access Token',
  ],
  [
    'token_invalid',
    () => hostOf(up.port, ID),
    { 'e2b-traffic-access-token': 'x' },
    403,
    `{"sandboxId":"${ID}","message":"${SECURED} Provided token in header ${HEADER} is invalid","code":403}`,
    'Invalid Traffic Access Token',
  ],
  [
    'sandbox_not_found',
    () => hostOf(up.port, 'nobody'),
    {},
    502,
    '{"sandboxId":"nobody","message":"The sandbox was not found","code":502}',
    'Sandbox Not Found',
  ],
  [
    'sandbox_not_found',
    () => hostOf(up.port, 'paused1'),
    WITH_TOKEN,
    502,
    '{"sandboxId":"paused1","message":"The sandbox was not found","code":502}',
    'Sandbox Not Found',
  ],
  [
    'sandbox_not_found',
    () => hostOf(up.port, 'ended1'),
    WITH_TOKEN,
    502,
    '{"sandboxId":"ended1","message":"The sandbox was not found","code":502}',
    'Sandbox Not Found',
  ],
  [
    'sandbox_transitioning',
    () => hostOf(up.port, 'moving1'),
    {},
    409,
    '{"sandboxId":"moving1","message":"The sandbox is still transitioning. Try again in a moment.","code":409}',
    'Sandbox Still Transitioning',
  ],
  [
    'port_closed',
    () => hostOf(1, ID),
    WITH_TOKEN,
    502,
    `{"sandboxId":"${ID}","message":"The sandbox is running but port is not open","port":1,"code":502}`,
    'Closed Port Error',
  ],
  [
    'control_plane_path',
    () => hostOf(49983, ID),
    {},
    404,
    '{"message":"This endpoint is reserved for the E2B control plane and is not reachable through the sandbox URL","path":"/init","code":404}',
    'Endpoint Not Available',
  ],
] as const;

function expectRefusal(answered: Answered, status: number, reason: string): void {
  expect(answered.status).toBe(status);
  expect(answered.headers).toMatchObject({
    'x-sandgate-reason': reason,
    'access-control-allow-origin': '*',
    'cache-control': 'no-store',
    vary: 'accept, sec-fetch-mode, user-agent',
  });
  expect(answered.headers).not.toHaveProperty('access-control-allow-credentials');
}

describe('a refusal', () => {
  it.each(refusals)(
    "%s is the contract's JSON and page (%s)",
    async (reason, hostFor, headers, status, json, title) => {
      const path = reason === 'control_plane_path' ? '/init' : '/';
      const asked = { host: hostFor(), path, headers };
      const before = up.arrivals.length;
      const [plain, http2, page] = await Promise.all([
        ask(stack.http, asked),
        askHttp2(stack.http, asked),
        ask(stack.http, { ...asked, headers: { ...headers, ...BROWSER } }),
      ]);
      for (const answered of [plain, http2]) {
        expectRefusal(answered, status, reason);
        expect(answered.body).toBe(json);
        expect(answered.headers['content-type']).toBe('application/json; charset=utf-8');
      }
      expectRefusal(page, status, reason);
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
      expect(page.headers['content-security-policy']).toContain("default-src 'none'");
      expect(page.body).toMatch(/^<html[\s\S]*<\/html>$/);
      expect(page.body).toContain(`<title>${title}</title>`);
      if (reason === 'port_closed') expect(page.body).toContain('no service running on port 1');
      expect(up.arrivals.length).toBe(before);
    },
  );

  it('refuses a WebSocket the same way', async () => {
    const refused = await openWebSocket(stack.http, { host: hostOf(up.port, ID) });
    expect(refused).toMatchObject({ status: 403, body: refusals[0][4] });
  });
});

describe('a preflight', () => {
  const preflight = {
    origin: 'https://a.example',
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'x-a',
  };
  it('gets the same 204 for a restricted and an unknown sandbox, and reaches neither', async () => {
    const before = up.arrivals.length;
    const answers = [];
    for (const id of [ID, 'nobody']) {
      const answered = await ask(stack.http, {
        host: hostOf(up.port, id),
        method: 'OPTIONS',
        headers: preflight,
      });
      expectRefusal(answered, 204, 'preflight');
      expect(answered.headers).toMatchObject({
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'x-a',
      });
      answers.push({ ...answered.headers, date: '' });
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(up.arrivals.length).toBe(before);
  });

  it('passes to a public port', async () => {
    await ask(stack.http, { host: hostOf(up.port, 'public1'), method: 'OPTIONS', headers: preflight });
    expect(arrival().method).toBe('OPTIONS');
  });
});

describe('an allowed request', () => {
  it("carries the mask as Host and the client's host beside it", async () => {
    const host = hostOf(up.port, 'masked1');
    expect((await ask(stack.http, { host, headers: WITH_TOKEN })).status).toBe(200);
    expect(arrival().headers).toMatchObject({ host: `app.test:${up.port}`, 'x-forwarded-host': host });
    expect(arrival().rawHeaders.map(([name]) => name)).toContain('Host');
  });

  it('carries the canonical Host to a node proxy', async () => {
    const host = `8080-node1-6532622b.e2b.app`;
    expect((await ask(stack.http, { host, headers: WITH_TOKEN })).status).toBe(200);
    expect(arrival().headers).toMatchObject({ host: '8080-node1.e2b.app', 'x-forwarded-host': host });
  });

  it('keeps the token only where the policy says so', async () => {
    await ask(stack.http, {
      host: hostOf(up.port, 'forward1'),
      headers: { ...WITH_TOKEN, 'e2b-sandbox-id': 'x' },
    });
    expect(arrival().headers).toMatchObject(WITH_TOKEN);
    expect(arrival().headers).not.toHaveProperty('e2b-sandbox-id');
  });
});

describe('a server that comes up late', () => {
  it('is reached by the request that came before it', async () => {
    const asked = (port: number) => ({ host: hostOf(port, ID), headers: WITH_TOKEN });
    expect((await askLateServer(stack.http, asked, 600)).answered.status).toBe(200);
  });
});
