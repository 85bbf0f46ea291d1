import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, OTHER_TOKEN, TOKEN } from '../../stack/test-stack.ts';
import { askRawHttp2, type Field, type RawAnswer } from '../raw-http2.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';

let scene: Scene;
let locked: Sandbox;
let other: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  locked = await scene.restricted('locked');
  other = await scene.restricted('other', {
    access: { tokens: [{ id: 'o', sha256: digestOf(OTHER_TOKEN) }] },
  });
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const WITH_TOKEN: Field = ['e2b-traffic-access-token', TOKEN];

/** A valid request with some fields replaced or added; `undefined` removes one. */
function request(over: Record<string, string | undefined>, ...more: Field[]): Field[] {
  const pseudo = { ':method': 'POST', ':path': '/', ':scheme': 'http', ':authority': locked.host, ...over };
  const fields = Object.entries(pseudo).filter((field): field is [string, string] => field[1] !== undefined);
  return [...fields, WITH_TOKEN, ...more];
}

const smuggled = (to: Sandbox) => `GET /smuggled HTTP/1.1\r\nHost: ${to.host}\r\n\r\n`;

/** One request in HTTP/2, but a different one, or two, when written as HTTP/1.1. */
const malformed: [string, () => Field[]][] = [
  ['two :authority', () => request({}, [':authority', other.host])],
  ['two :authority in front', () => [[':authority', other.host], ...request({})]],
  ['two :path', () => [[':path', '/other'], ...request({})]],
  ['two :method', () => [[':method', 'GET'], ...request({})]],
  ['no :path', () => request({ ':path': undefined })],
  ['no :method', () => request({ ':method': undefined })],
  ['no :scheme', () => request({ ':scheme': undefined })],
  ['no authority at all', () => request({ ':authority': undefined })],
  ['an empty :path', () => request({ ':path': '' })],
  ['a :path with a request in it', () => request({ ':path': `/ HTTP/1.1\r\nHost: ${other.host}\r\n\r\n` })],
  ['a :path with a space', () => request({ ':path': '/ HTTP/1.1' })],
  ['a :path with a NUL', () => request({ ':path': '/\0' })],
  ['a :path without a slash', () => request({ ':path': 'locked' })],
  ['a :path with a fragment', () => request({ ':path': '/a#b' })],
  [
    'a :method with a request in it',
    () => request({ ':method': `GET / HTTP/1.1\r\nHost: ${other.host}\r\n\r\nPOST` }),
  ],
  ['a :method with a space', () => request({ ':method': 'GET /smuggled HTTP/1.1' })],
  [
    'an :authority with a line in it',
    () => request({ ':authority': `${locked.host}\r\nHost: ${other.host}` }),
  ],
  ['an :authority with a space', () => request({ ':authority': `${locked.host} ${other.host}` })],
  ['an :authority with userinfo', () => request({ ':authority': `${other.host}@${locked.host}` })],
  ['an :authority with a path', () => request({ ':authority': `${locked.host}/${other.host}` })],
  ['an :authority with a comma', () => request({ ':authority': `${locked.host},${other.host}` })],
  ['an unknown pseudo-header', () => request({ ':host': other.host })],
  ['a status', () => request({ ':status': '200' })],
  ['a pseudo-header after a field', () => [...request({ ':path': undefined }), [':path', '/']]],
  ['an upper-case name', () => request({}, ['X-Upper', 'a'])],
  ['a value with a line in it', () => request({}, ['x', `a\r\nHost: ${other.host}`])],
  ['a value with a request in it', () => request({}, ['x', `a\r\n\r\n${smuggled(other)}`])],
  ['a value with a bare LF', () => request({}, ['x', 'a\nx-forwarded-host: b'])],
  ['a value with a NUL', () => request({}, ['x', 'a\0b'])],
  ['a name with a line in it', () => request({}, [`x: a\r\nhost: ${other.host}\r\ny`, 'b'])],
  ['a name with a colon', () => request({}, ['transfer-encoding: chunked', 'a'])],
  ['a name with a space', () => request({}, ['transfer-encoding ', 'chunked'])],
  ['an empty name', () => request({}, ['', 'a'])],
  ['chunks', () => request({}, ['transfer-encoding', 'chunked'])],
  ['a connection header', () => request({}, ['connection', 'upgrade'], ['upgrade', 'websocket'])],
  ['two lengths', () => request({}, ['content-length', '2'], ['content-length', '0'])],
  ['a length below the body', () => request({}, ['content-length', '0'])],
  ['a length above the body', () => request({}, ['content-length', '5000'])],
  ['a length that is none', () => request({}, ['content-length', '+2'])],
  ['CONNECT to a sandbox', () => [[':method', 'CONNECT'], [':authority', locked.host], WITH_TOKEN]],
  ['another :protocol', () => request({ ':method': 'CONNECT', ':protocol': 'connect-udp' })],
];

describe('over HTTP/2', () => {
  it('a good request written byte by byte is answered', async () => {
    expect(await askRawHttp2(scene.stack.http, request({}), { body: 'hi' })).toEqual({
      body: 'hello',
      ended: 'end',
    });
    expect(locked.app.arrivals).toMatchObject([
      { method: 'POST', url: '/', body: 'hi', headers: { host: locked.host } },
    ]);
  });

  describe('a request', () => {
    let answers: RawAnswer[];
    let arrived: number;
    beforeAll(async () => {
      // All at once, because Envoy takes a second to close each of these connections.
      const body = smuggled(other);
      scene.forget();
      answers = await Promise.all(
        malformed.map(([, fields]) => askRawHttp2(scene.stack.http, fields(), { body })),
      );
      arrived = scene.arrived();
    });

    it.each(malformed.map(([what], index) => [what, index] as const))(
      'with %s is not answered by a sandbox',
      (_what, index) => {
        expect(answers[index]!.body).not.toContain('hello');
      },
    );

    it('of these never arrives', () => {
      expect(arrived).toBe(0);
    });
  });

  it('two copies of the token are refused, as over HTTP/1.1', async () => {
    for (const second of [TOKEN, OTHER_TOKEN, '']) {
      const fields = request({}, ['e2b-traffic-access-token', second]);
      expect((await askRawHttp2(scene.stack.http, fields)).body).toContain('is invalid');
    }
    expect(scene.arrived()).toBe(0);
  });

  it('a host header without :authority is the host, and goes through the gate', async () => {
    const fields = (host: string): Field[] => [...request({ ':authority': undefined }), ['host', host]];
    await askRawHttp2(scene.stack.http, fields(other.host));
    expect(scene.arrived()).toBe(0);
    await askRawHttp2(scene.stack.http, fields(locked.host));
    for (const { headers } of locked.app.arrivals) expect(headers.host).toBe(locked.host);
    expect(other.app.arrivals).toEqual([]);
  });

  it('a body that looks like a request stays a body', async () => {
    const { body } = await askRawHttp2(scene.stack.http, request({}), { body: smuggled(other) });
    expect(body).toBe('hello');
    expect(locked.app.arrivals).toMatchObject([{ url: '/', body: smuggled(other) }]);
    expect(scene.arrived()).toBe(1);
  });

  it('an unusual :scheme changes nothing upstream', async () => {
    for (const scheme of ['https', 'ftp', 'http://evil.example/']) {
      await askRawHttp2(scene.stack.http, request({ ':scheme': scheme }));
    }
    expect(locked.app.arrivals.length).toBeGreaterThan(0);
    for (const { url, headers } of locked.app.arrivals) {
      expect(url).toBe('/');
      expect(headers).toMatchObject({ host: locked.host, 'x-forwarded-proto': 'http' });
    }
  });
});
