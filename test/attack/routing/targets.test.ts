import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, OTHER_TOKEN, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf, get, statusOf } from '../raw-http1.ts';
import { askRawHttp2 } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let a: Sandbox;
let b: Sandbox;
beforeAll(async () => {
  // Any depth below the domain, the most permissive pattern.
  scene = await openScene({ domains: '*.e2b.localhost' });
  a = await scene.restricted('alpha', { runtime: { agent: 'self-authenticating' } });
  b = await scene.restricted('beta', { access: { tokens: [{ id: 'b', sha256: digestOf(OTHER_TOKEN) }] } });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const DOMAIN = 'e2b.localhost';
const WITH_TOKEN = `e2b-traffic-access-token: ${TOKEN}`;
const send = (bytes: string) => askOnce(scene.stack.http, bytes);

describe('C1: a host of A with routing headers of B', () => {
  const routing = () =>
    ['beta', 'BETA', 'beta,alpha'].map((id) => [`E2b-Sandbox-Id: ${id}`, `E2b-Sandbox-Port: ${b.app.port}`]);

  it('goes to A with A’s token, and shows neither header', async () => {
    for (const lines of routing()) {
      expect(statusOf(await send(get(a.host, [WITH_TOKEN, ...lines])))).toBe(200);
    }
    expect(a.app.arrivals).toHaveLength(3);
    expect(JSON.stringify(a.app.arrivals)).not.toMatch(/e2b-sandbox/i);
    expect(scene.arrived()).toBe(3);
  });

  it('goes nowhere with B’s token', async () => {
    for (const lines of routing()) {
      expect(statusOf(await send(get(a.host, [`e2b-traffic-access-token: ${OTHER_TOKEN}`, ...lines])))).toBe(
        403,
      );
    }
    expect(scene.arrived()).toBe(0);
  });

  it('on the shared host, a header that is sent twice selects no sandbox', async () => {
    for (const host of [`sandbox.${DOMAIN}`, 'localhost', '127.0.0.1', '[::1]']) {
      const ids = ['E2b-Sandbox-Id: alpha', 'e2b-sandbox-id: beta'];
      const one = await send(get(host, [WITH_TOKEN, ...ids, `E2b-Sandbox-Port: ${b.app.port}`]));
      const two = await send(
        get(host, [WITH_TOKEN, ids[0]!, `E2b-Sandbox-Port: ${a.app.port}, ${b.app.port}`]),
      );
      expect([statusOf(one), statusOf(two)]).toEqual([400, 400]);
    }
    expect(scene.arrived()).toBe(0);
  });
});

describe('C5: a host that two parsers could read differently', () => {
  const refused: [string, () => string[]][] = [
    ['two Host headers', () => [`GET / HTTP/1.1`, `Host: ${a.host}`, `Host: ${b.host}`]],
    ['the same Host twice', () => [`GET / HTTP/1.1`, `Host: ${a.host}`, `Host: ${a.host}`]],
    ['a comma in it', () => [`GET / HTTP/1.1`, `Host: ${a.host},${b.host}`]],
    ['userinfo', () => [`GET / HTTP/1.1`, `Host: ${b.host}@${a.host}`]],
    ['no Host', () => ['GET / HTTP/1.1']],
    ['an empty Host', () => ['GET / HTTP/1.1', 'Host:']],
    ['an IPv6 literal alone', () => ['GET / HTTP/1.1', 'Host: [::1]:8080']],
    ['an IPv6 zone', () => ['GET / HTTP/1.1', 'Host: [fe80::1%25lo]']],
    ['another parent domain', () => ['GET / HTTP/1.1', `Host: ${a.app.port}-alpha.evil.example`]],
    ['a parent domain that ends alike', () => ['GET / HTTP/1.1', `Host: ${a.app.port}-alpha.not${DOMAIN}`]],
    ['a domain above', () => ['GET / HTTP/1.1', `Host: ${a.app.port}-alpha.localhost`]],
    ['a label over 63', () => ['GET / HTTP/1.1', `Host: ${a.app.port}-${'a'.repeat(64)}.${DOMAIN}`]],
    ['two trailing dots', () => ['GET / HTTP/1.1', `Host: ${a.host}..`]],
    ['a leading dot', () => ['GET / HTTP/1.1', `Host: .${a.host}`]],
    ['a port that is none', () => ['GET / HTTP/1.1', `Host: ${a.host}:80x`]],
    ['two ports', () => ['GET / HTTP/1.1', `Host: ${a.host}:80:443`]],
    ['a slash', () => ['GET / HTTP/1.1', `Host: ${a.host}/${b.host}`]],
    ['a backslash', () => ['GET / HTTP/1.1', `Host: ${a.host}\\${b.host}`]],
    ['a space', () => ['GET / HTTP/1.1', `Host: ${a.host} ${b.host}`]],
    ['a question mark', () => ['GET / HTTP/1.1', `Host: ${a.host}?${b.host}`]],
    ['a hash', () => ['GET / HTTP/1.1', `Host: ${a.host}#${b.host}`]],
    ['a percent-encoded dash', () => ['GET / HTTP/1.1', `Host: ${a.host.replace('-', '%2d')}`]],
    ['a percent-encoded dot', () => ['GET / HTTP/1.1', `Host: ${a.host.replace('.', '%2e')}`]],
    ['a NUL', () => ['GET / HTTP/1.1', `Host: ${a.host}\0.${b.host}`]],
    ['a soft hyphen', () => ['GET / HTTP/1.1', `Host: ${a.host.replace('alpha', 'al\xc2\xadpha')}`]],
    ['a full-width dot', () => ['GET / HTTP/1.1', `Host: ${a.host.replace('.', '\xef\xbc\x8e')}`]],
    ['a folded line', () => ['GET / HTTP/1.1', `Host: ${a.host}`, ` ${b.host}`]],
    ['a space before the colon', () => ['GET / HTTP/1.1', `Host : ${a.host}`]],
    ['a target without a slash', () => ['GET alpha HTTP/1.1', `Host: ${a.host}`]],
  ];

  it.each(refused)('with %s is refused and reaches no sandbox', async (_what, lines) => {
    const answer = await send(bytesOf([...lines(), WITH_TOKEN, 'Connection: close']));
    expect([400, 404]).toContain(statusOf(answer));
    expect(scene.arrived()).toBe(0);
  });

  it('is the same sandbox in upper case, with a trailing dot, with a port', async () => {
    for (const host of [a.host.toUpperCase(), `${a.host}.`, `${a.host}:3002`, `${a.host}.:3002`]) {
      expect(statusOf(await send(get(host, [WITH_TOKEN])))).toBe(200);
    }
    expect(a.app.arrivals).toHaveLength(4);
    expect(scene.arrived()).toBe(4);
  });

  it('is that of an absolute-form target, never that of a different Host header', async () => {
    expect(statusOf(await send(get(b.host, [WITH_TOKEN], `http://${a.host}/x`)))).toBe(200);
    expect(statusOf(await send(get(b.host, [WITH_TOKEN], `http://${b.host}@${a.host}/x`)))).toBe(200);
    const seen = { url: '/x', headers: { host: a.host } };
    expect(a.app.arrivals).toMatchObject([seen, seen]);
    expect(statusOf(await send(get(a.host, [WITH_TOKEN], `http://${b.host}/x`)))).toBe(403);
    expect(scene.arrived()).toBe(2);
  });

  it('is :authority over HTTP/2, never that of a different host header', async () => {
    const pseudo = [
      [':method', 'GET'],
      [':path', '/'],
      [':scheme', 'http'],
    ] as const;
    const token = ['e2b-traffic-access-token', TOKEN] as const;
    await askRawHttp2(scene.stack.http, [...pseudo, [':authority', a.host], ['host', b.host], token]);
    for (const { headers } of a.app.arrivals) expect(headers.host).toBe(a.host);
    expect(b.app.arrivals).toHaveLength(0);
    scene.forget();
    await askRawHttp2(scene.stack.http, [...pseudo, [':authority', b.host], ['host', a.host], token]);
    await askRawHttp2(scene.stack.http, [...pseudo, [':authority', a.host], [':authority', b.host], token]);
    expect(scene.arrived()).toBe(0);
  });
});
