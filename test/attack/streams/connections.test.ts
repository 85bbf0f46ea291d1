import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, askHttp2, http2Session } from '../../stack/client.ts';
import { hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf, get, openRaw, statusesOf, statusOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let other: Sandbox;
let open: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  other = await scene.restricted('other');
  open = await scene.public('open');
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const NAME = 'e2b-traffic-access-token';
const WITH_TOKEN = `${NAME}: ${TOKEN}`;
const send = (bytes: string) => askOnce(scene.stack.http, bytes);
const names = (sandbox: Sandbox) =>
  sandbox.app.arrivals.flatMap(({ rawHeaders }) => rawHeaders.map(([name]) => name.toLowerCase()));

describe('a connection that was admitted once', () => {
  it('needs the token again, for the next request and for another sandbox', async () => {
    const raw = await openRaw(scene.stack.http);
    const one = (host: string, ...lines: string[]) => bytesOf(['GET / HTTP/1.1', `Host: ${host}`, ...lines]);
    raw.send(
      one(locked.host, WITH_TOKEN) +
        one(locked.host) +
        one(other.host) +
        one(locked.host, WITH_TOKEN) +
        one(other.agentHost, 'Connection: close'),
    );
    expect(statusesOf(await raw.until(/connection: close\r\n/i))).toEqual([200, 403, 403, 200, 403]);
    raw.socket.destroy();
    expect(locked.app.arrivals).toHaveLength(2);
    expect(scene.arrived()).toBe(2);
  });

  it('needs it on each stream of HTTP/2, including other authorities', async () => {
    const session = await http2Session(scene.stack.http);
    const status = (host: string, headers: Record<string, string> = {}) =>
      new Promise((resolve) => {
        const stream = session.request({ ':authority': host, ...headers });
        stream.on('response', (answered) => resolve(answered[':status']));
        stream.resume();
      });
    const with_ = { [NAME]: TOKEN };
    const all = [
      status(locked.host, with_),
      status(locked.host),
      status(other.host),
      status(other.agentHost),
    ];
    expect(await Promise.all(all)).toEqual([200, 403, 403, 403]);
    session.destroy();
    expect(scene.arrived()).toBe(1);
  });

  it('upstream never carries two sandboxes, though they share address and port', async () => {
    const runtime = { route: { address: locked.address }, incarnation: 'same' };
    await scene.stack.put(publicSandbox('twin1', { runtime }), publicSandbox('twin2', { runtime }));
    for (let round = 0; round < 3; round++) {
      for (const id of ['twin1', 'twin2']) await ask(scene.stack.http, { host: hostOf(locked.app.port, id) });
    }
    const used = (id: string) =>
      new Set(
        locked.app.arrivals
          .filter(({ headers }) => headers.host?.includes(id))
          .map(({ connection }) => connection),
      );
    expect([...used('twin1')].filter((connection) => used('twin2').has(connection))).toEqual([]);
    expect(locked.app.arrivals).toHaveLength(6);
  });

  it('an incarnation or id that looks like another’s pool key gets its own connection', async () => {
    const route = { address: open.address };
    const ids = ['k', 'ka', 'kab'];
    await scene.stack.put(...ids.map((id) => restricted(id, { runtime: { route, incarnation: 'a.b' } })));
    for (const id of ids) {
      await ask(scene.stack.http, { host: hostOf(open.app.port, id), headers: { [NAME]: TOKEN } });
    }
    expect(new Set(open.app.arrivals.map(({ connection }) => connection)).size).toBe(3);
  });
});

describe('a Connection header that names headers to drop', () => {
  it('cannot carry the token past the gate or open a restricted sandbox', async () => {
    const named = [
      NAME,
      `close, ${NAME}`,
      `keep-alive, ${NAME.toUpperCase()}`,
      `${NAME}, e2b-sandbox-id`,
      'host',
      'x-forwarded-for',
      'x-sandgate-reason',
      ':authority',
      'upgrade',
      'connection',
    ];
    for (const value of named) {
      for (const sandbox of [locked, open]) {
        const lines = [`Connection: ${value}`, 'E2b-Sandbox-Id: x', 'E2b-Sandbox-Port: 1'];
        const without = statusOf(await send(bytesOf(['GET / HTTP/1.1', `Host: ${sandbox.host}`, ...lines])));
        expect(sandbox === locked ? [400, 403] : [200, 400]).toContain(without);
        await send(bytesOf(['GET / HTTP/1.1', `Host: ${sandbox.host}`, WITH_TOKEN, ...lines]));
      }
    }
    for (const sandbox of [locked, open]) {
      expect(names(sandbox)).toContain('x-forwarded-for');
      for (const name of [NAME, 'e2b-sandbox-id', 'e2b-sandbox-port', 'connection'])
        expect(names(sandbox)).not.toContain(name);
      for (const { headers } of sandbox.app.arrivals) expect(headers.host).toBe(sandbox.host);
    }
  });
});

describe('too much input', () => {
  it('in headers is refused, with or without the token among them', async () => {
    const many = Array.from({ length: 200 }, (_, index) => `X-${index}: a`);
    for (const lines of [[...many, WITH_TOKEN], [WITH_TOKEN, ...many], Array(200).fill(WITH_TOKEN)]) {
      expect(statusOf(await send(get(locked.host, lines)))).toBe(431);
    }
    const headers = Object.fromEntries(many.map((line) => line.toLowerCase().split(': ')));
    const refused = await askHttp2(scene.stack.http, { host: locked.host, headers }).catch(() => ({
      status: 0,
    }));
    expect([0, 431]).toContain(refused.status);
    expect(scene.arrived()).toBe(0);
  });

  it('in a token, a host or a path is refused, and the gate keeps running', async () => {
    const much = 'a'.repeat(50_000);
    expect(statusOf(await send(get(locked.host, [`${NAME}: ${much}`])))).toBe(403);
    expect(statusOf(await send(get(`8080-${much}.e2b.localhost`, [WITH_TOKEN])))).toBe(400);
    expect(statusOf(await send(get(`${'1'.repeat(50_000)}-locked.e2b.localhost`, [WITH_TOKEN])))).toBe(400);
    expect(
      statusOf(await send(get(`49983-locked.e2b.localhost`, [], `/${'%2e%2e/'.repeat(8000)}init`))),
    ).toBe(404);
    expect(statusOf(await send(get(locked.host, [WITH_TOKEN])))).toBe(200);
  });
});

describe('Expect: 100-continue', () => {
  it('requests no body before the token was checked, and delivers all of it afterwards', async () => {
    const head = (...lines: string[]) =>
      bytesOf([
        'POST / HTTP/1.1',
        `Host: ${locked.host}`,
        'Expect: 100-continue',
        'Content-Length: 4',
        ...lines,
      ]);
    const refused = await openRaw(scene.stack.http);
    refused.send(head());
    expect(await refused.until(/"code":403\}/)).toContain('HTTP/1.1 403');
    refused.socket.destroy();
    expect(scene.arrived()).toBe(0);
    const taken = await openRaw(scene.stack.http);
    taken.send(head(WITH_TOKEN));
    await taken.until('HTTP/1.1 100');
    taken.send('body');
    expect(await taken.until('hello')).toContain('HTTP/1.1 200');
    taken.socket.destroy();
    expect(locked.app.arrivals).toMatchObject([{ body: 'body' }]);
  });
});
