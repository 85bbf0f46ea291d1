import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Address } from '../../src/address.ts';
import { createKeyCheck } from '../../src/policy-api/admission.ts';
import { createApiServer } from '../../src/policy-api/http-server.ts';
import { listenForApi } from '../../src/policy-api/listener.ts';
import type { PolicyAdmin } from '../../src/policy-api/policy-admin.ts';
import { askAdmin } from './client.ts';
import { KEY, OTHER_KEY, policy, type RunningApi, startApi } from './running-api.ts';

let api: RunningApi;
let at: string;
let host: string;
beforeAll(async () => {
  api = await startApi({ policyApi: '127.0.0.1:0', policyApiHosts: 'policies.example,tunnel.example:9' }, [
    KEY,
    OTHER_KEY,
  ]);
  at = api.gate.policyApi!;
  host = at;
});
afterAll(() => api?.stop());

describe('the policy API on TCP', () => {
  it('accepts any of its keys', async () => {
    for (const key of [KEY, OTHER_KEY]) {
      const headers = { authorization: `Bearer ${key}` };
      expect((await askAdmin(at, { headers })).status).toBe(200);
    }
  });

  it('gives the same 401 for a missing key, a wrong key and another scheme, at every path', async () => {
    const wrong = [
      {},
      ...[`Bearer ${KEY}x`, 'Bearer', `Basic ${KEY}`, KEY].map((authorization) => ({ authorization })),
    ];
    const places = ['/v1/policies', '/v1/policies/abc/tokens', '/v1/openapi.json', '/nothing', '/v1/%zz'];
    const answers = await Promise.all(
      places.flatMap((path) => wrong.map((headers) => askAdmin(at, { path, headers: headers as never }))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers[0]!.headers['www-authenticate']).toBe('Bearer');
  });

  it('answers for its address, localhost and the configured names', async () => {
    const port = at.split(':')[1];
    for (const name of [
      host,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      'policies.example:1',
      'tunnel.example:9',
    ]) {
      expect((await api.ask({ headers: { host: name } })).status).toBe(200);
    }
    for (const name of ['localhost', `evil.example:${port}`, 'tunnel.example:8', `127.0.0.2:${port}`]) {
      const refused = await api.ask({ headers: { host: name } });
      expect(refused).toMatchObject({ status: 421, body: { code: 'HOST_REFUSED' } });
    }
  });

  it('accepts only JSON', async () => {
    const raw = JSON.stringify([policy('a')]);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'application/jsonx',
    ]) {
      const refused = await api.ask({ method: 'POST', raw, headers: { 'content-type': type } });
      expect(refused).toMatchObject({ status: 415, body: { code: 'CONTENT_REFUSED' } });
    }
    expect((await api.ask({ method: 'POST', raw })).status).toBe(415);
    expect((await api.ask({ method: 'POST' })).status).toBe(415);
    expect(await api.store.list({ limit: 1 })).toEqual([]);
  });

  it('says what is wrong with a body that is not JSON, without quoting it', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const raw of ['{"secretive', '', '"secretive']) {
      const refused = await api.ask({ method: 'POST', raw, headers });
      expect(refused).toMatchObject({ status: 400, body: { code: 'INPUT_INVALID', field: 'body' } });
      expect(refused.text).not.toContain('secretive');
    }
  });

  it('reads __proto__ as a field like any other, which it does not know', async () => {
    const headers = { 'content-type': 'application/json' };
    const raw = '[{"sandboxId":"a","__proto__":{"secretive":1}}]';
    const refused = await api.ask({ method: 'POST', raw, headers });
    expect(refused).toMatchObject({ status: 400, body: { code: 'POLICY_INVALID', field: '__proto__' } });
    expect(refused.text).not.toContain('secretive');
  });

  it('E6: refuses a body with a key twice or endless nesting, which parsers read differently or not at all', async () => {
    const headers = { 'content-type': 'application/json' };
    for (const [raw, problem] of [
      ['[{"sandboxId":"a","sandboxId":"b"}]', 'duplicate key at line 1, column 19'],
      ['['.repeat(500_000), 'more than 32 levels'],
      [`${'['.repeat(500_000)}${']'.repeat(500_000)}`, 'more than 32 levels'],
    ] as const) {
      const refused = await api.ask({ method: 'POST', raw, headers });
      expect(refused).toMatchObject({ status: 400, body: { code: 'INPUT_INVALID', field: 'body' } });
      expect(refused.body.message).toContain(problem);
    }
    expect(await api.store.list({ limit: 1 })).toEqual([]);
  });

  it('accepts a body of up to 1 MiB', async () => {
    const headers = { 'content-type': 'application/json' };
    const refused = await api.ask({ method: 'POST', raw: `[${' '.repeat(1024 * 1024)}]`, headers });
    expect(refused).toMatchObject({ status: 413, body: { code: 'REQUEST_TOO_LARGE' } });
    const fits = await api.ask({ method: 'POST', raw: `[${' '.repeat(1024 * 1024 - 2)}]`, headers });
    expect(fits.status).toBe(200);
  });

  it('supports only the methods that it lists, and no CORS', async () => {
    for (const method of ['OPTIONS', 'HEAD', 'PATCH', 'TRACE']) {
      const answer = await api.ask({ method, headers: { origin: 'http://evil.example' } });
      expect(answer.status).toBe(405);
      expect(answer.headers.allow).toBe('GET, POST');
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect(await api.ask({ path: '/nothing' })).toMatchObject({
      status: 404,
      body: { code: 'ROUTE_UNKNOWN' },
    });
    const got = await api.ask({ headers: { origin: 'http://evil.example' } });
    expect(got.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(got.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('answers invalid HTTP with its own form of error', async () => {
    const [ip, port] = at.split(':');
    const socket = connect(Number(port), ip!);
    let text = '';
    socket.on('data', (bytes) => {
      text += String(bytes);
    });
    socket.end('\x00rubbish\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"REQUEST_INVALID"/);
  });
});

describe('a flood', () => {
  it('is answered 429 past the limit, with or without a key', async () => {
    const app = await createApiServer({
      admin: {} as PolicyAdmin,
      admission: { isAllowedHost: () => true, hasKey: createKeyCheck([KEY]) },
      maxPerSecond: 3,
      onFault: () => {},
    });
    const listener = await listenForApi(app, { host: '127.0.0.1', port: 0 });
    try {
      const { port } = listener.at as Address;
      const ask = () => askAdmin(`127.0.0.1:${port}`, { path: '/nothing' });
      const answers = await Promise.all(Array.from({ length: 100 }, ask));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
      const refused = answers.find(({ status }) => status === 429)!;
      expect(refused.body).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
      expect(refused.headers['retry-after']).toBe('1');
    } finally {
      await listener.close();
    }
  });
});

describe('a gate on a folder of files', () => {
  it('lists and gets, and refuses every write', async () => {
    const policyDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
    mkdirSync(policyDir, { recursive: true });
    writeFileSync(join(policyDir, 'filed.json'), JSON.stringify(policy('filed')));
    const files = await startApi({ store: 'files', policyDir });
    try {
      expect((await files.ask({})).body.records).toHaveLength(1);
      const path = '/v1/policies/filed';
      const writes = [
        { method: 'PUT', path, json: policy('filed') },
        { method: 'DELETE', path },
        { method: 'POST', path: `${path}/tokens`, json: {} },
      ];
      for (const asked of writes) {
        expect(await files.ask(asked)).toMatchObject({ status: 403, body: { code: 'STORE_READ_ONLY' } });
      }
    } finally {
      await files.stop();
      rmSync(policyDir, { recursive: true });
    }
  });
});

describe('an unavailable store', () => {
  it('is a 503, in the same form', async () => {
    const gone = await startApi();
    try {
      rmSync(join(gone.stateDir, 'policies.db'));
      const answer = await gone.ask({ method: 'POST', json: [policy('a')] });
      expect(answer).toMatchObject({ status: 503, body: { code: 'STORE_UNAVAILABLE' } });
    } finally {
      await gone.stop();
    }
  });
});
