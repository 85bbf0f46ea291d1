import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../policy/sample.ts';
import { policy, type RunningApi, startApi } from './running-api.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());
beforeEach(() => api.ask({ method: 'DELETE', path: '/v1/policies/sbx' }));
beforeEach(() => api.ask({ method: 'POST', json: [policy('sbx')] }));

const PATH = '/v1/policies/sbx/tokens';
const mint = (json: object = {}) => api.ask({ method: 'POST', path: PATH, json });
const rotate = (id: string, json: object) => api.ask({ method: 'POST', path: `${PATH}/${id}/rotate`, json });
const revoke = (id: string) => api.ask({ method: 'DELETE', path: `${PATH}/${id}` });
const access = async () => (await api.ask({ path: '/v1/policies/sbx/access' })).body;

describe('a token over the API', () => {
  it('is minted once in plaintext, stored as its digest, and listed with a fingerprint', async () => {
    const given = { label: 'ci', ports: [80, 443], incarnation: 'i1', expiresAt: '2099-01-01T00:00:00Z' };
    const { status, body } = await mint({ id: 'a', ...given });
    expect(status).toBe(201);
    expect(body.token).toMatch(/^[0-9a-f]{64}$/);
    const digest = digestOf(body.token);
    expect(body.info).toMatchObject({ id: 'a', fingerprint: digest.slice(0, 8), ...given });
    expect((await access()).tokens).toEqual([
      { id: 'a', sha256: digest, createdAt: body.info.createdAt, ...given },
    ]);
    const listed = await api.ask({ path: PATH });
    expect(listed.body).toEqual({ tokens: [body.info] });
    expect(listed.text).not.toContain(digest);
  });

  it('gets a random id, and an expiry from its time to live', async () => {
    const { info } = (await mint({ ttlSeconds: 60 })).body;
    expect(info.id).toMatch(/^t-[0-9a-f]{8}$/);
    expect(Date.parse(info.expiresAt) - Date.parse(info.createdAt)).toBe(60_000);
  });

  it('is minted and revoked by a client that declares JSON and sends no body', async () => {
    const empty = { headers: { 'content-type': 'application/json' } };
    const { status, body } = await api.ask({ method: 'POST', path: PATH, ...empty });
    expect([status, body.info?.id]).toEqual([201, expect.stringMatching(/^t-/)]);
    const raw = await api.ask({ method: 'POST', path: PATH, ...empty, raw: '' });
    expect(raw.status).toBe(201);
    for (const [id, type] of [
      [body.info.id, 'application/json'],
      [raw.body.info.id, 'text/plain'],
    ]) {
      const request = { method: 'DELETE', path: `${PATH}/${id}`, headers: { 'content-type': type } };
      expect(await api.ask(request)).toMatchObject({ status: 200, body: { revoked: { id } } });
    }
    const rotated = await api.ask({ method: 'POST', path: `${PATH}/x/rotate`, ...empty });
    expect(rotated).toMatchObject({ status: 400, body: { code: 'INPUT_INVALID' } });
    const nothing = await api.ask({ method: 'POST', path: PATH, ...empty, raw: 'null' });
    expect(nothing).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID', field: 'body' } });
  });

  it.each([
    [{ id: 'a b' }, 'id'],
    [{ ttlSeconds: 0 }, 'ttlSeconds'],
    [{ ttlSeconds: 1, expiresAt: '2099-01-01T00:00:00Z' }, 'ttlSeconds'],
    [{ expiresAt: '2001-01-01T00:00:00Z' }, 'expiresAt'],
    [{ ports: [0] }, 'ports[0]'],
    [{ token: 'x' }, 'token'],
  ])('is not minted from %j', async (json, field) => {
    expect(await mint(json)).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID', field } });
    expect((await access()).tokens).toEqual([]);
  });

  it('has a unique id, and its sandbox must exist', async () => {
    await mint({ id: 'a' });
    expect(await mint({ id: 'a' })).toMatchObject({ status: 409, body: { code: 'TOKEN_EXISTS' } });
    const nowhere = await api.ask({ method: 'POST', path: '/v1/policies/nobody/tokens', json: {} });
    expect(nowhere).toMatchObject({ status: 404, body: { code: 'SANDBOX_UNKNOWN' } });
  });

  it('is revoked permanently: its digest is refused in every later write', async () => {
    const { token } = (await mint({ id: 'a' })).body;
    expect(await revoke('a')).toMatchObject({ status: 200, body: { revoked: { id: 'a' }, inForce: true } });
    expect(await access()).toMatchObject({ tokens: [], revoked: [digestOf(token)] });
    const again = policy('sbx', { access: { tokens: [{ id: 'b', sha256: digestOf(token) }] } });
    expect(await api.ask({ method: 'POST', json: [again] })).toMatchObject({
      status: 409,
      body: { code: 'TOKEN_REVOKED' },
    });
    expect(await revoke('a')).toMatchObject({ status: 404, body: { code: 'TOKEN_UNKNOWN' } });
  });

  it('is rotated: the new one is like it, the old one ends after the overlap', async () => {
    const old = (await mint({ id: 'a', label: 'ci', ports: [80] })).body;
    const { status, body } = await rotate('a', { overlapSeconds: 60, id: 'b' });
    expect(status).toBe(201);
    expect(body.info).toMatchObject({ id: 'b', label: 'ci', ports: [80] });
    expect(body.token).not.toBe(old.token);
    expect(Date.parse(body.previous.expiresAt) - Date.parse(body.info.createdAt)).toBe(60_000);
    expect((await access()).tokens).toMatchObject([
      { id: 'a', sha256: digestOf(old.token), expiresAt: body.previous.expiresAt },
      { id: 'b', sha256: digestOf(body.token) },
    ]);
  });

  it('is never given a longer life by a rotation', async () => {
    const { info } = (await mint({ id: 'a', ttlSeconds: 30 })).body;
    const { body } = await rotate('a', { overlapSeconds: 3600 });
    expect(body.previous.expiresAt).toBe(info.expiresAt);
  });

  it('is revoked by a rotation without overlap', async () => {
    const old = (await mint({ id: 'a' })).body;
    const { body } = await rotate('a', { overlapSeconds: 0, id: 'a' });
    expect(body.previous).toBeUndefined();
    expect(await access()).toMatchObject({
      tokens: [{ id: 'a', sha256: digestOf(body.token) }],
      revoked: [digestOf(old.token)],
    });
  });

  it.each([{}, { overlapSeconds: -1 }, { overlapSeconds: 2592001 }, { overlapSeconds: 0.5 }])(
    'is not rotated by %j',
    async (json) => {
      await mint({ id: 'a' });
      expect(await rotate('a', json)).toMatchObject({ status: 400, body: { field: 'overlapSeconds' } });
      expect((await access()).tokens).toHaveLength(1);
    },
  );

  it('is in no log, no error and no file of the state folder', async () => {
    const { token } = (await mint({ id: 'a' })).body;
    const rotated = (await rotate('a', { overlapSeconds: 5 })).body;
    const texts = await Promise.all(
      [
        { method: 'POST', path: PATH, json: { token } },
        { method: 'POST', path: PATH, json: { id: `${token}0` } },
        {
          method: 'POST',
          path: PATH,
          headers: { 'content-type': 'application/json' },
          raw: `{"t":"${token}"`,
        },
        { method: 'POST', path: PATH, headers: { 'content-type': 'application/json' }, raw: token },
        { method: 'PUT', path: `/v1/policies/${token}`, json: policy(token) },
        {
          method: 'PUT',
          path: '/v1/policies/sbx/access',
          json: { tokens: [{ id: 'a', sha256: `${token}0` }] },
        },
        { path: `/v1/policies?idPrefix=${token}` },
        { path: `/${token}` },
        { path: `/v1/policies/%zz${token}` },
        { headers: { host: token } },
        { headers: { authorization: `Bearer ${token}` } },
      ].map(async (request) => (await api.ask(request)).text),
    );
    const files = readdirSync(api.stateDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
    expect(files.length).toBeGreaterThan(1);
    for (const text of [...texts, ...files, api.logs()]) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(rotated.token);
    }
  });
});

describe('two writers of one sandbox', () => {
  it('all get their token stored, however many they are', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => mint({ id: `n${n}` })));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    expect((await access()).tokens).toHaveLength(20);
  });
});
