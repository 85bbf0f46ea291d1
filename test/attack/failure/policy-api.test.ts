import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ApiRequest } from '../../policy-api/client.ts';
import { KEY, policy, type RunningApi, startApi } from '../../policy-api/running-api.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { hold } from './held-connection.ts';

let api: RunningApi;
let port: number;
beforeAll(async () => {
  api = await startApi({ policyApi: '127.0.0.1:0' }, [KEY]);
  port = Number(api.gate.policyApi!.split(':')[1]);
  expect((await api.ask({ method: 'POST', json: [policy('sbx')] })).status).toBe(200);
});
afterAll(() => api?.stop());

const JSON_TYPE = { 'content-type': 'application/json' };
const TOKENS = '/v1/policies/sbx/tokens';
/** 64 hex characters, like a token or a digest. */
const SECRET = 'a1b2c3d4'.repeat(8);

describe('E2: connections to the policy API', () => {
  it('that send garbage and never close do not block others', async () => {
    const { ops } = api.gate;
    const held = await Promise.all(
      [port, ops.port].flatMap((at) => Array.from({ length: 400 }, () => hold(at, '\0rubbish\r\n\r\n'))),
    );
    const ready = `http://${ops.host}:${ops.port}/readyz`;
    await vi.waitFor(async () => {
      expect((await api.ask({})).status).toBe(200);
      expect((await fetch(ready)).status).toBe(200);
    }, PATIENCE);
    for (const socket of held) socket.destroy();
  });

  it('of a client that sends requests without waiting get one answer each, in order', async () => {
    const ask = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: ${api.gate.policyApi}\r\nAuthorization: Bearer ${KEY}\r\n`;
    const paths = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? '/v1/policies/sbx' : '/nothing'));
    const bytes = `${paths.map((path) => ask(path)).join('\r\n')}Connection: close\r\n\r\n`;
    const socket = await hold(port, bytes);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    await new Promise((resolve) => socket.once('end', resolve));
    socket.destroy();
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    expect(statuses).toEqual(paths.map((path) => (path === '/nothing' ? 404 : 200)));
  });
});

describe('E2: a hostile request', () => {
  const post = (path: string, raw: string | Buffer) => ({ method: 'POST', path, raw, headers: JSON_TYPE });
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  const access = (raw: string) => ({
    method: 'PUT',
    path: '/v1/policies/sbx/access',
    raw,
    headers: JSON_TYPE,
  });
  const ids = ['%2e%2e', '%2F', '%00', '..%2f..%2fetc', 'sbx%00', 'sbx%0a', '%', '%C0%AF', 'SBX', 'sbx;a=b'];
  const tags = ['*', 'W/"a"', '""', '"0123456789abcdef.1", "0123456789abcdef.2"', '0123456789abcdef.1'];
  type Case = readonly [what: string, status: number, asked: ApiRequest];
  const hostile: readonly Case[] = [
    ['nested half a million deep', 400, post('/v1/policies', nested(500_000))],
    ['nested in a field', 400, access(`{"tokens":${nested(400_000)}}`)],
    ['with __proto__', 400, access('{"__proto__":{"allowPublicTraffic":true}}')],
    ['with __proto__ in escapes', 400, access('{"\\u005f_proto__":{"allowPublicTraffic":true}}')],
    ['with constructor.prototype', 400, access('{"constructor":{"prototype":{"allowPublicTraffic":true}}}')],
    ['with a number past every number', 400, post(TOKENS, '{"ttlSeconds":1e999}')],
    ['with NaN', 400, post(TOKENS, '{"ttlSeconds":NaN}')],
    ['that is not UTF-8', 400, post(TOKENS, Buffer.from('{"label":"\xff"}', 'latin1'))],
    ['that is UTF-16', 400, post(TOKENS, Buffer.from('{"label":"a"}', 'utf16le'))],
    ['with an id of dots, which a URL drops', 400, post(TOKENS, '{"id":".."}')],
    ['with headers of 20 KB', 431, { headers: { 'x-big': 'x'.repeat(20_000) } }],
    ['with two lengths', 400, { headers: { 'content-length': '1', 'transfer-encoding': 'chunked' } }],
    ...ids.map((id): Case => [`for the id ${id}`, 400, { path: `/v1/policies/${id}` }]),
    ...tags.map(
      (tag): Case => [
        `that expects ${tag}`,
        400,
        { ...access('{}'), headers: { ...JSON_TYPE, 'if-match': tag } },
      ],
    ),
  ];
  it.each(hostile)('%s is a %d, and nothing is written', async (_, status, asked) => {
    const before = await api.store.read('sbx');
    const answer = await api.ask(asked);
    expect(answer.status).toBe(status);
    if (answer.body !== undefined) expect(answer.body).toMatchObject({ code: expect.any(String) });
    expect(answer.text).not.toContain('    at ');
    expect(await api.store.read('sbx')).toEqual(before);
  });

  it.each([
    ['as the id of a token to make', { method: 'POST', path: TOKENS, json: { id: SECRET } }, 400],
    ['inside its label', { method: 'POST', path: TOKENS, json: { label: `it is ${SECRET}` } }, 400],
    ['as the id of a token to end', { method: 'DELETE', path: `${TOKENS}/${SECRET}` }, 404],
    ['to rotate', { method: 'POST', path: `${TOKENS}/${SECRET}/rotate`, json: { overlapSeconds: 1 } }, 404],
    ['as a field', { method: 'PUT', path: '/v1/policies/sbx/access', json: { [SECRET]: 1 } }, 400],
    [
      'as a field of a token',
      { method: 'PUT', path: '/v1/policies/sbx/access', json: { tokens: [{ [SECRET]: 1 }] } },
      400,
    ],
    ['as a parameter', { path: `/v1/policies?${SECRET}=1` }, 400],
    ['as the value of one', { path: `/v1/policies?state=${SECRET}` }, 400],
    ['as a sandbox', { path: `/v1/policies/${SECRET}` }, 400],
    [
      'as an address',
      { method: 'PUT', path: '/v1/policies/sbx/runtime', json: { route: { address: SECRET } } },
      400,
    ],
    ['as a mask', { method: 'PUT', path: '/v1/policies/sbx/access', json: { maskRequestHost: SECRET } }, 400],
    [
      'as a version',
      { method: 'PUT', path: '/v1/policies/sbx/access', json: {}, headers: { 'if-match': SECRET } },
      400,
    ],
    ['as a key', { headers: { authorization: `Bearer ${SECRET}` } }, 401],
    ['as a host', { headers: { host: SECRET } }, 421],
  ])('with a token %s does not say it back, nor keep it', async (_, asked, status) => {
    const answer = await api.ask(asked);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain(SECRET.slice(0, 33));
    expect(JSON.stringify(await api.store.read('sbx'))).not.toContain(SECRET);
    expect(api.logs()).not.toContain(SECRET);
  });
});
