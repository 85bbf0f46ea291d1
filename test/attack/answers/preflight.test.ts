import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Answered, ask, askHttp2 } from '../../stack/client.ts';
import { hostOf, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { askOnce, bytesOf } from '../raw-http1.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { editStored } from '../stored-record.ts';

let scene: Scene;
let open: Sandbox;
let locked: Sandbox;
beforeAll(async () => {
  scene = await openScene();
  open = await scene.public('open');
  locked = await scene.restricted('locked', { runtime: { agent: 'self-authenticating' } });
  const route = { address: open.address };
  await scene.stack.put(restricted('asleep', { runtime: { route, state: 'paused' } }));
  await scene.stack.put(restricted('waking', { runtime: { route, state: 'transitioning' } }));
  await scene.stack.put(restricted('ended', { runtime: { route, endsAt: '2020-01-01T00:00:00Z' } }));
  await scene.stack.put(publicSandbox('broken', { runtime: { route } }));
});
beforeEach(() => scene.forget());
afterAll(() => scene?.close());

const PREFLIGHT = {
  origin: 'https://app.example',
  'access-control-request-method': 'PUT',
  'access-control-request-headers': 'e2b-traffic-access-token, content-type',
};
const preflight = (host: string, headers: Record<string, string> = {}, path = '/') =>
  ask(scene.stack.http, { host, method: 'OPTIONS', path, headers: { ...PREFLIGHT, ...headers } });
const withoutDate = ({ status, headers: { date: _date, ...headers }, body }: Answered) => ({
  status,
  headers,
  body,
});

describe('C11: a preflight', () => {
  it('is a 204 with the same bytes for every host, and is never forwarded', async () => {
    const expected = withoutDate(await preflight(locked.host));
    expect(expected).toEqual({
      status: 204,
      headers: {
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'e2b-traffic-access-token, content-type',
        'access-control-max-age': '600',
        'x-sandgate-reason': 'preflight',
        'cache-control': 'no-store',
        vary: 'accept, sec-fetch-mode, user-agent',
        connection: 'close',
      },
      body: '',
    });
    const ids = ['nobody', 'asleep', 'waking', 'ended', 'a'.repeat(63)];
    const hosts = [
      ...ids.map((id) => hostOf(80, id)),
      hostOf(1, 'locked'),
      'nonsense',
      'a.evil.example',
      '0-locked.e2b.localhost',
    ];
    for (const host of hosts) expect(withoutDate(await preflight(host))).toEqual(expected);
    for (const id of ['locked', 'nobody']) {
      expect(withoutDate(await preflight(hostOf(49983, id), {}, '/init'))).toEqual(expected);
    }
    for (const token of ['', 'wrong', `${TOKEN}, ${TOKEN}`]) {
      expect(withoutDate(await preflight(locked.host, { 'e2b-traffic-access-token': token }))).toEqual(
        expected,
      );
    }
    expect(scene.arrived()).toBe(0);
    expect(locked.app.connections()).toBe(0);
  });

  it('goes to the sandbox on a public port, and on the port of a self-authenticating agent', async () => {
    const answer = vi.fn((_request, response) =>
      response.writeHead(200, { 'access-control-allow-origin': 'me' }).end(),
    );
    open.app.answer = answer;
    expect((await preflight(open.host)).headers['access-control-allow-origin']).toBe('me');
    expect((await preflight(locked.agentHost)).status).toBe(200);
    expect(open.app.arrivals).toMatchObject([{ method: 'OPTIONS', headers: PREFLIGHT }]);
    expect(locked.agent.arrivals).toMatchObject([{ method: 'OPTIONS' }]);
    expect(answer).toHaveBeenCalledOnce();
  });

  it.each([ask, askHttp2])(
    'is the same 204 if the public port is closed or its server fails (%o)',
    async (send) => {
      const asked = (host: string, headers: Record<string, string> = {}) =>
        send(scene.stack.http, { host, method: 'OPTIONS', headers: { ...PREFLIGHT, ...headers } });
      const expected = withoutDate(await asked(locked.host));
      expect(withoutDate(await asked(hostOf(1, 'open')))).toEqual(expected);
      for (const fails of [
        (socket: Socket) => socket.destroy(),
        (socket: Socket) => socket.end('no HTTP at all\r\n\r\n'),
      ]) {
        open.app.answer = (request) => fails(request.socket);
        expect(withoutDate(await asked(open.host))).toEqual(expected);
      }
      // Names that would end the header are not echoed by Envoy either.
      const unsafe = { 'access-control-request-method': 'PUT"', 'access-control-request-headers': 'a\tb' };
      expect(withoutDate(await asked(hostOf(1, 'open'), unsafe))).toEqual(
        withoutDate(await asked(locked.host, unsafe)),
      );
      // It echoes this request's names, not those of an earlier one.
      const other = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': '' };
      expect((await asked(hostOf(1, 'open'), other)).headers['access-control-allow-methods']).toBe('PATCH');
      // What is no preflight gets the 502.
      for (const request of [{ method: 'OPTIONS' }, { method: 'GET', headers: PREFLIGHT }]) {
        expect((await send(scene.stack.http, { host: hostOf(1, 'open'), ...request })).status).toBe(502);
      }
    },
  );

  it('is a 503 if it is unknown whether the port is public', async () => {
    editStored(scene.stack, 'broken', (record) => ({ ...record, access: undefined }));
    expect((await preflight(hostOf(80, 'broken'))).status).toBe(503);
    expect(scene.arrived()).toBe(0);
  });

  it('never allows credentials or names the origin, including over HTTP/2', async () => {
    const asked = {
      host: locked.host,
      method: 'OPTIONS',
      headers: { ...PREFLIGHT, origin: 'https://e2b.localhost' },
    };
    for (const { status, headers } of [
      await ask(scene.stack.http, asked),
      await askHttp2(scene.stack.http, asked),
    ]) {
      expect(status).toBe(204);
      expect(headers['access-control-allow-origin']).toBe('*');
      expect(Object.keys(headers)).not.toContain('access-control-allow-credentials');
    }
  });

  it.each(['Origin', 'Access-Control-Request-Method'])(
    'without %s is an ordinary request',
    async (missing) => {
      const headers = Object.entries(PREFLIGHT).filter(([name]) => name !== missing.toLowerCase());
      const asked = { host: locked.host, method: 'OPTIONS', headers: Object.fromEntries(headers) };
      expect((await ask(scene.stack.http, asked)).status).toBe(403);
    },
  );

  it.each(['options', 'Options', 'OPTIONS2', 'GET', 'POST'])(
    'is only ever OPTIONS, not %s',
    async (method) => {
      const lines = Object.entries(PREFLIGHT).map(([name, value]) => `${name}: ${value}`);
      const bytes = bytesOf([`${method} / HTTP/1.1`, `Host: ${locked.host}`, ...lines]);
      expect(await askOnce(scene.stack.http, bytes)).toMatch(/^HTTP\/1\.1 40[03] /);
      expect(scene.arrived()).toBe(0);
    },
  );
});

describe('C11: a value that a preflight wants echoed', () => {
  const echoed = (answer: Answered) => answer.headers['access-control-allow-headers'];

  it('comes back only if it is a list of names of at most 1 KiB', async () => {
    const name = 'access-control-request-headers';
    expect(echoed(await preflight(locked.host, { [name]: 'x'.repeat(1024) }))).toBe('x'.repeat(1024));
    const hostile = [
      'x'.repeat(1025),
      'a; b',
      'a: b',
      '<script>',
      '"a"',
      'a\tb',
      'a=b',
      '(a)',
      'a\xff',
      '{}',
      '@',
    ];
    for (const value of hostile) {
      const answer = await preflight(locked.host, { [name]: value });
      expect(answer.status).toBe(204);
      expect(echoed(answer)).toBeUndefined();
    }
    const method = await preflight(locked.host, { 'access-control-request-method': 'PUT; x' });
    expect(method.headers['access-control-allow-methods']).toBeUndefined();
  });

  it.each([
    '\r\nSet-Cookie: a=b',
    '\r\n\r\n<html>',
    '\nSet-Cookie: a=b',
    '\rSet-Cookie: a=b',
    '\0Set-Cookie: a',
    '%0d%0aSet-Cookie: a=b',
  ])('starts no header with %j', async (tail) => {
    for (const name of ['Access-Control-Request-Headers', 'Access-Control-Request-Method']) {
      const lines = ['Origin: https://a', 'Access-Control-Request-Method: PUT', `${name}: x${tail}`];
      const answer = await askOnce(
        scene.stack.http,
        bytesOf(['OPTIONS / HTTP/1.1', `Host: ${locked.host}`, ...lines]),
      );
      expect(answer).not.toMatch(/set-cookie|<html>/i);
    }
    expect(scene.arrived()).toBe(0);
  });
});
