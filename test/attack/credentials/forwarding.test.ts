import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2, http2Session, openWebSocket } from '../../stack/client.ts';
import type { Arrival } from '../../stack/recorder.ts';
import { OTHER_TOKEN, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, get, statusOf } from '../raw-http1.ts';
import { extendedConnect } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let open: Sandbox;
let trusting: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked', { runtime: { agent: 'self-authenticating' } });
  open = await scene.public('open');
  trusting = await scene.restricted('trusting', { access: { upstreamToken: 'forward' } });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const NAME = 'e2b-traffic-access-token';
const COOKIE = 'session="a b"; $Version=1; empty=; p=%2e%00; =nameless';
const AUTHORIZATION = 'Bearer  two spaces, a comma and ==';
const OWN = { cookie: COOKIE, authorization: AUTHORIZATION, 'x-access-token': 'of-the-agent' };

const doors = [
  { what: 'a restricted sandbox', host: () => locked.host, at: () => locked.app },
  { what: 'a public sandbox', host: () => open.host, at: () => open.app },
  { what: 'port 49983', host: () => locked.agentHost, at: () => locked.agent },
];

const ways = [
  {
    way: 'HTTP/1.1',
    send: async (host: string) =>
      (await ask(scene.stack.http, { host, headers: { ...OWN, [NAME]: TOKEN } })).status,
  },
  {
    way: 'HTTP/2',
    send: async (host: string) =>
      (await askHttp2(scene.stack.http, { host, headers: { ...OWN, [NAME]: TOKEN } })).status,
  },
  {
    way: 'WebSocket',
    send: async (host: string) => {
      const opened = await openWebSocket(scene.stack.http, { host, headers: { ...OWN, [NAME]: TOKEN } });
      if ('status' in opened) return opened.status;
      opened.socket.terminate();
      return 101;
    },
  },
  {
    way: 'WebSocket over HTTP/2',
    send: async (host: string) => {
      const session = await http2Session(scene.stack.http);
      const { status, stream } = await extendedConnect(session, host, { ...OWN, [NAME]: TOKEN });
      stream.close();
      session.destroy();
      return status;
    },
  },
];

function expectNoCredential(arrival: Arrival | undefined): void {
  const seen = JSON.stringify(arrival);
  expect(seen).toContain('rawHeaders');
  expect(seen).not.toContain(TOKEN);
  expect(seen).not.toMatch(/traffic-access-token|e2b-sandbox-(id|port)/i);
}

describe.each(doors)('A1: the token in a request to $what', ({ host, at }) => {
  it.each(ways)('does not arrive over $way, and the app keeps its own credentials', async ({ send }) => {
    expect([200, 101]).toContain(await send(host()));
    expect(at().arrivals).toHaveLength(1);
    expectNoCredential(at().arrivals[0]);
    expect(at().arrivals[0]!.headers).toMatchObject(OWN);
  });

  it.each(['E2B-TRAFFIC-ACCESS-TOKEN', 'E2b-Traffic-Access-Token', 'e2B-tRAFFIC-aCCESS-tOKEN'])(
    'does not arrive as %s',
    async (name) => {
      expect(statusOf(await askOnce(scene.stack.http, get(host(), [`${name}: ${TOKEN}`])))).toBe(200);
      expectNoCredential(at().arrivals[0]);
    },
  );

  it('does not arrive with a space before the colon, nor as a separate header from a folded line', async () => {
    const spaced = get(host(), [`${NAME} : ${TOKEN}`]);
    const folded = get(host(), ['X-Fold: a', ` ${NAME}: ${TOKEN}`]);
    await Promise.all([spaced, folded].map((bytes) => askOnce(scene.stack.http, bytes)));
    for (const { rawHeaders } of at().arrivals) {
      expect(rawHeaders.filter(([name]) => /token/i.test(name))).toEqual([]);
    }
  });
});

describe('A1: a token that is sent more than once', () => {
  const twice = [
    [`E2B-Traffic-Access-Token: ${TOKEN}`, `e2b-traffic-access-token: ${TOKEN}`],
    [`e2b-traffic-access-token: ${TOKEN}`, `e2b-traffic-access-token: ${OTHER_TOKEN}`, `${NAME}:`],
    [`e2b-traffic-access-token: ${TOKEN}, ${TOKEN}`],
  ];

  it('leaves no copy on a public sandbox', async () => {
    for (const lines of twice) {
      expect(statusOf(await askOnce(scene.stack.http, get(open.host, lines)))).toBe(200);
    }
    for (const arrival of open.app.arrivals) expectNoCredential(arrival);
    expect(open.app.arrivals).toHaveLength(3);
  });

  it('leaves no copy on 49983, including over HTTP/2', async () => {
    for (const lines of twice) {
      expect(statusOf(await askOnce(scene.stack.http, get(locked.agentHost, lines)))).toBe(200);
    }
    const headers = { [NAME]: [TOKEN, OTHER_TOKEN] };
    expect((await askHttp2(scene.stack.http, { host: locked.agentHost, headers })).status).toBe(200);
    for (const arrival of locked.agent.arrivals) expectNoCredential(arrival);
    expect(locked.agent.arrivals).toHaveLength(4);
  });

  it('does not open a restricted sandbox', async () => {
    for (const lines of twice) {
      expect(statusOf(await askOnce(scene.stack.http, get(locked.host, lines)))).toBe(403);
    }
    expect(scene.arrived()).toBe(0);
  });
});

describe('A1: the app’s own credentials', () => {
  it('arrive byte for byte, including bytes above 127 and odd spacing', async () => {
    const lines = ['Cookie: k=\xe9\xff; b="\x80"', 'Authorization: Basic \xa0\xfe:  x', `${NAME}: ${TOKEN}`];
    expect(statusOf(await askOnce(scene.stack.http, get(locked.host, lines)))).toBe(200);
    const { headers } = locked.app.arrivals[0]!;
    expect(headers.cookie).toBe('k=\xe9\xff; b="\x80"');
    expect(headers.authorization).toBe('Basic \xa0\xfe:  x');
  });

  it('arrive whole when HTTP/2 splits the cookie into crumbs', async () => {
    const headers = { [NAME]: TOKEN, cookie: ['a=1', 'b="2; 3"', 'c=4'] };
    await askHttp2(scene.stack.http, { host: locked.host, headers });
    expect(locked.app.arrivals[0]!.headers.cookie).toBe('a=1; b="2; 3"; c=4');
  });

  it('include the token only if the policy says forward', async () => {
    const headers = { [NAME]: TOKEN, 'e2b-sandbox-id': 'locked', 'e2b-sandbox-port': '1' };
    await ask(scene.stack.http, { host: trusting.host, headers });
    expect(trusting.app.arrivals[0]!.headers[NAME]).toBe(TOKEN);
    expect(JSON.stringify(trusting.app.arrivals[0])).not.toMatch(/e2b-sandbox-(id|port)/i);
  });
});

describe('A3: code inside a sandbox', () => {
  it('cannot open its own URL or another’s with anything it received', async () => {
    const other = await scene.restricted('other');
    await ask(scene.stack.http, { host: locked.host, headers: { ...OWN, [NAME]: TOKEN } });
    const { host: _host, connection: _connection, ...received } = locked.app.arrivals[0]!.headers;
    scene.forget();
    for (const host of [locked.host, other.host, other.agentHost]) {
      const headers = received as Record<string, string>;
      expect((await ask(scene.stack.http, { host, headers })).status).toBe(403);
      const credentials = Object.values(headers).map((value) => `${NAME}: ${value}`);
      for (const line of credentials) {
        expect(statusOf(await askOnce(scene.stack.http, get(host, [line])))).toBe(403);
      }
    }
    expect(scene.arrived()).toBe(0);
  });
});
