import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { ask, askHttp2, http2Session, openWebSocket } from '../../stack/client.ts';
import { inTime } from '../../stack/in-time.ts';
import { digestOf, OTHER_TOKEN, TOKEN } from '../../stack/test-stack.ts';
import { bytesOf, openRaw } from '../raw-http1.ts';
import { extendedConnect, textFrame } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const NAME = 'e2b-traffic-access-token';
const HANDSHAKE = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];

function handshake(connection: string, upgrade: string, token?: string): string {
  const lines = [`GET /ws HTTP/1.1`, `Host: ${locked.host}`, connection, upgrade, ...HANDSHAKE];
  return bytesOf(token === undefined ? lines : [...lines, `${NAME}: ${token}`]);
}

const echoOf = (socket: WebSocket, text: string) =>
  new Promise<string>((resolve, reject) => {
    socket.once('message', (data) => resolve(String(data)));
    socket.once('close', () => reject(new Error('closed')));
    socket.send(text);
  });

const spellings = [
  ['Connection: keep-alive, Upgrade', 'Upgrade: websocket'],
  ['Connection: Keep-Alive,UPGRADE', 'Upgrade: WebSocket'],
  ['connection: upgrade', 'upgrade: WEBSOCKET'],
  ['CONNECTION: foo, upgrade , keep-alive', 'UPGRADE: webSocket'],
] as const;

describe('B1: an upgrade without a good token', () => {
  it.each(spellings)('is a 403 and never arrives, as "%s" and "%s"', async (connection, upgrade) => {
    for (const token of [undefined, '', OTHER_TOKEN]) {
      const raw = await openRaw(scene.stack.http);
      raw.send(handshake(connection, upgrade, token));
      expect(await raw.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
      raw.socket.destroy();
    }
    expect(scene.arrived()).toBe(0);
    expect(locked.app.connections()).toBe(0);
  });

  it('is a 403 over HTTP/2 extended CONNECT', async () => {
    const session = await http2Session(scene.stack.http);
    for (const headers of [{}, { [NAME]: '' }, { [NAME]: OTHER_TOKEN }, { [NAME]: [TOKEN, TOKEN] }]) {
      const { status } = await extendedConnect(session, locked.host, headers);
      expect(status).toBe(403);
    }
    session.destroy();
    expect(scene.arrived()).toBe(0);
  });

  it('gets JSON with the text of the contract', async () => {
    const refused = await openWebSocket(scene.stack.http, { host: locked.host });
    expect(refused).toMatchObject({
      status: 403,
      body: expect.stringContaining("'e2b-traffic-access-token' is missing"),
    });
  });

  it('cannot be another kind of upgrade, or a bare CONNECT, even with the token', async () => {
    for (const upgrade of ['websocket, h2c', 'tcp, h2c', 'foo']) {
      const raw = await openRaw(scene.stack.http);
      raw.send(handshake('Connection: Upgrade, HTTP2-Settings', `Upgrade: ${upgrade}`, TOKEN));
      const text = await raw.until('\r\n\r\n');
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain('\r\nx-sandgate-reason: upgrade_refused\r\n');
      raw.socket.destroy();
    }
    const raw = await openRaw(scene.stack.http);
    raw.send(bytesOf([`CONNECT ${locked.host}:80 HTTP/1.1`, `Host: ${locked.host}`, `${NAME}: ${TOKEN}`]));
    expect(await raw.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 404 /);
    raw.socket.destroy();
    expect(scene.arrived()).toBe(0);
  });

  it('is an ordinary request if it only offers a newer HTTP or TLS, which needs the token too', async () => {
    for (const upgrade of ['h2c', 'tls/1.0', 'HTTP/2.0']) {
      for (const token of [undefined, TOKEN]) {
        const raw = await openRaw(scene.stack.http);
        raw.send(handshake('Connection: Upgrade, HTTP2-Settings', `Upgrade: ${upgrade}`, token));
        expect(await raw.until('\r\n\r\n')).toMatch(token ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 403 /);
        raw.socket.destroy();
      }
    }
    expect(locked.app.arrivals).toHaveLength(3);
    for (const { headers } of locked.app.arrivals) expect(headers.upgrade).toBeUndefined();
  });
});

describe('B2: an upgrade with the token', () => {
  it.each(spellings)('works as "%s" and "%s"', async (connection, upgrade) => {
    const raw = await openRaw(scene.stack.http);
    raw.send(handshake(connection, upgrade, TOKEN));
    expect(await raw.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /);
    raw.socket.write(textFrame('ping'));
    expect(await raw.until('\x81\x04ping')).toContain('ping');
    raw.socket.destroy();
    expect(locked.app.arrivals).toHaveLength(1);
  });

  it('works over HTTP/2 extended CONNECT', async () => {
    const session = await http2Session(scene.stack.http);
    const { status, stream } = await extendedConnect(session, locked.host, { [NAME]: TOKEN });
    expect(status).toBe(200);
    stream.write(textFrame('ping'));
    const echo = await new Promise<Buffer>((resolve) => stream.once('data', resolve));
    expect(echo.toString('latin1')).toBe('\x81\x04ping');
    session.destroy();
  });
});

describe('B3: a token that expires while a stream is open', () => {
  const expiring = (token: string, after: number) => ({
    tokens: [{ id: 'brief', sha256: digestOf(token), expiresAt: new Date(Date.now() + after).toISOString() }],
  });

  it('ends a WebSocket at its expiry, over HTTP/1.1 and HTTP/2', async () => {
    const { asked, closed } = await inTime(async (livesMs) => {
      const brief = await scene.restricted(`briefly${livesMs}`, { access: expiring(TOKEN, livesMs) });
      const asked = { host: brief.host, headers: { [NAME]: TOKEN } };
      const opened = await openWebSocket(scene.stack.http, asked);
      if (!('socket' in opened)) return undefined;
      const session = await http2Session(scene.stack.http);
      const { status, stream } = await extendedConnect(session, brief.host, asked.headers);
      stream.on('error', () => {});
      const closed = [
        new Promise((resolve) => opened.socket.once('close', resolve)),
        new Promise((resolve) => stream.once('close', resolve)).finally(() => session.destroy()),
      ];
      const echo = await echoOf(opened.socket, 'still here').catch(() => undefined);
      return status === 200 && echo === 'still here' ? { asked, closed } : undefined;
    });
    await Promise.all(closed);
    expect((await ask(scene.stack.http, asked)).status).toBe(403);
  });

  it('turns a response that takes longer into the 403 of an invalid token', async () => {
    const { sandboxId, answers } = await inTime(async (livesMs) => {
      const slow = await scene.restricted(`slow${livesMs}`, { access: expiring(TOKEN, livesMs) });
      slow.app.answer = () => {};
      const asked = { host: slow.host, headers: { [NAME]: TOKEN } };
      const answers = await Promise.all([ask(scene.stack.http, asked), askHttp2(scene.stack.http, asked)]);
      return slow.app.arrivals.length === 2 ? { sandboxId: slow.id, answers } : undefined;
    });
    for (const { status, headers, body } of answers) {
      expect(status).toBe(403);
      expect(headers).toMatchObject({
        'x-sandgate-reason': 'token_invalid',
        'content-type': 'application/json; charset=utf-8',
      });
      expect(JSON.parse(body)).toEqual({
        sandboxId,
        message:
          "Sandbox is secured with traffic access token. Provided token in header 'e2b-traffic-access-token' is invalid",
        code: 403,
      });
    }
  });

  it('cannot be outlived by requesting a longer stream', async () => {
    const lines = ['x-envoy-upstream-stream-duration-ms: 3600000', 'x-envoy-upstream-rq-timeout-ms: 0'];
    const { closed } = await inTime(async (livesMs) => {
      const brief = await scene.restricted(`longer${livesMs}`, { access: expiring(TOKEN, livesMs) });
      const raw = await openRaw(scene.stack.http);
      const closed = new Promise((resolve) => raw.socket.once('close', resolve));
      raw.send(
        bytesOf([
          `GET / HTTP/1.1`,
          `Host: ${brief.host}`,
          `${NAME}: ${TOKEN}`,
          ...spellings[0],
          ...HANDSHAKE,
          ...lines,
        ]),
      );
      if ((await raw.until('\r\n\r\n')).startsWith('HTTP/1.1 101 ')) return { closed };
      raw.socket.destroy();
      return undefined;
    });
    await closed;
  });

  it('refuses new requests at once when it is revoked; an open stream stays open', async () => {
    const revoking = await scene.restricted('revoking');
    const asked = { host: revoking.host, headers: { [NAME]: TOKEN } };
    const opened = await openWebSocket(scene.stack.http, asked);
    if (!('socket' in opened)) throw new Error(`refused with ${opened.status}`);
    await scene.stack.put({ sandboxId: 'revoking', access: { revoked: [digestOf(TOKEN)] } });
    expect((await ask(scene.stack.http, asked)).status).toBe(403);
    expect(await openWebSocket(scene.stack.http, asked)).toMatchObject({ status: 403 });
    expect(await echoOf(opened.socket, 'as the docs say')).toBe('as the docs say');
    opened.socket.terminate();
  });
});
