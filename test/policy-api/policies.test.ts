import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../policy/sample.ts';
import { policy, type RunningApi, startApi } from './running-api.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

const put = (id: string, json: unknown, headers: Record<string, string> = {}) =>
  api.ask({ method: 'PUT', path: `/v1/policies/${id}`, json, headers });
const get = (path: string) => api.ask({ path: `/v1/policies/${path}` });

describe('a policy over the API', () => {
  it('is put, read with its version as ETag, and gone after a delete', async () => {
    const written = await put('one', policy('one'));
    expect(written).toMatchObject({ status: 200, body: { gates: 1, inForce: true } });
    const got = await get('one');
    expect(got.body).toEqual(written.body.records[0]);
    expect(got.headers.etag).toBe(`"${got.body.runtime.version}/${got.body.access.version}"`);
    expect(got.body).toEqual(await api.store.read('one'));

    const deleted = await api.ask({ method: 'DELETE', path: '/v1/policies/one' });
    expect(deleted).toMatchObject({ status: 200, body: { inForce: true } });
    expect(await get('one')).toMatchObject({ status: 404, body: { code: 'SANDBOX_UNKNOWN' } });
    expect(await api.ask({ method: 'DELETE', path: '/v1/policies/one' })).toMatchObject({ status: 404 });
  });

  it('is in force at the gate once the answer arrives', async () => {
    const { body } = await put('forced', policy('forced'));
    const { port } = api.gate.ops;
    const { parts } = (await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as {
      parts: { policies: { sequence: number } };
    };
    expect(parts.policies.sequence).toBeGreaterThanOrEqual(body.sequence);
  });

  it('takes the id from the path, and refuses another one', async () => {
    expect((await put('named', { runtime: policy('named').runtime })).status).toBe(200);
    const other = await put('named', policy('another'));
    expect(other).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID', field: 'sandboxId' } });
  });

  it('is written only if its version is still the one that was read', async () => {
    await put('cas', policy('cas'));
    const first = await get('cas');
    const tag = { 'if-match': first.headers.etag! };
    expect((await put('cas', first.body, tag)).status).toBe(200);
    const late = await put('cas', first.body, tag);
    expect(late).toMatchObject({ status: 409, body: { code: 'VERSION_CONFLICT' } });
    const now = (await get('cas')).body;
    expect(late.body.currentVersion).toBe(now.runtime.version);
    expect(late.body.remedy).toContain('get the policy again');
  });

  it('has an ETag for both parts, so a PUT with it must have both', async () => {
    await put('both', policy('both'));
    const { headers } = await get('both');
    const half = await put('both', policy('both'), { 'if-match': headers.etag! });
    expect(half).toMatchObject({ status: 400, body: { field: 'access' } });
  });

  it('is written only if it is new, with `create` or If-None-Match', async () => {
    const none = { 'if-none-match': '*' };
    expect((await put('fresh', policy('fresh'), none)).status).toBe(200);
    const again = await put('fresh', policy('fresh'), none);
    const { etag } = (await get('fresh')).headers;
    expect(again).toMatchObject({ status: 409, body: { currentVersion: etag!.slice(1, -1) } });
    const many = await api.ask({
      method: 'POST',
      path: '/v1/policies?create=true',
      json: [policy('fresh2'), policy('fresh')],
    });
    expect(many.status).toBe(409);
    expect((await get('fresh2')).status).toBe(404);
  });

  it.each(['runtime', 'access'] as const)('can have only its %s part written', async (part) => {
    await put('parts', policy('parts', { access: { revoked: [digestOf('x')] } }));
    const before = (await get('parts')).body;
    const path = `/v1/policies/parts/${part}`;
    const got = await api.ask({ path });
    expect(got.headers.etag).toBe(`"${before[part].version}"`);
    const headers = { 'if-match': got.headers.etag! };
    expect((await api.ask({ method: 'PUT', path, json: got.body, headers })).status).toBe(200);
    expect(await api.ask({ method: 'PUT', path, json: got.body, headers })).toMatchObject({ status: 409 });
    const other = part === 'runtime' ? 'access' : 'runtime';
    const after = (await get('parts')).body;
    expect(after[other]).toEqual(before[other]);
    expect(after[part].version).not.toBe(before[part].version);
  });

  it('is written in an array as one transaction, and a fault names the element', async () => {
    const post = (json: unknown) => api.ask({ method: 'POST', json });
    expect((await post([policy('m1'), policy('m2')])).body.records).toHaveLength(2);
    const bad = await post([policy('m3'), policy('m4', { runtime: { route: { address: '8.8.8.8' } } })]);
    expect(bad).toMatchObject({
      status: 400,
      body: { code: 'POLICY_INVALID', field: '[1].runtime.route.address' },
    });
    expect((await get('m3')).status).toBe(404);
    expect((await post({})).body).toMatchObject({ code: 'REQUEST_INVALID', field: 'records' });
    expect((await post(Array(1001).fill(policy('m5')))).status).toBe(400);
  });
});

describe('the list', () => {
  it('comes in pages, filtered by state and prefix', async () => {
    const records = ['la', 'lb1', 'lb2', 'lb3', 'lc'].map((id, index) =>
      policy(id, { runtime: { state: index % 2 === 0 ? 'running' : 'paused' } }),
    );
    await api.ask({ method: 'POST', json: records });
    const ids = (answer: { body: { records: { sandboxId: string }[] } }) =>
      answer.body.records.map(({ sandboxId }) => sandboxId);
    const list = (query: string) => api.ask({ path: `/v1/policies?${query}` });

    const first = await list('idPrefix=lb&limit=2');
    expect(ids(first)).toEqual(['lb1', 'lb2']);
    const second = await list(`idPrefix=lb&limit=2&after=${first.body.next}`);
    expect(ids(second)).toEqual(['lb3']);
    expect(second.body.next).toBeUndefined();
    expect(ids(await list('idPrefix=l&state=paused'))).toEqual(['lb1', 'lb3']);
    expect(ids(await list('idPrefix=lb2'))).toEqual(['lb2']);
    expect(ids(await list('idPrefix=zzz'))).toEqual([]);
    expect((await list('limit=1&state=paused&idPrefix=l')).body.next).toBe('lb1');
  });

  it.each(['limit=0', 'limit=501', 'limit=x', 'limit=1&limit=2', 'state=asleep', 'idPrefix=A', 'other=1'])(
    'refuses ?%s and names the field',
    async (query) => {
      const answer = await api.ask({ path: `/v1/policies?${query}` });
      expect(answer).toMatchObject({
        status: 400,
        body: { code: 'REQUEST_INVALID', field: query.split('=')[0] },
      });
    },
  );
});

describe('where public traffic is refused', () => {
  let refusing: RunningApi;
  beforeAll(async () => {
    refusing = await startApi({ publicTraffic: 'refuse' });
  });
  afterAll(() => refusing?.stop());
  const open = { allowPublicTraffic: true };

  it.each([
    ['PUT', '/v1/policies/one', policy('one', { access: open })],
    ['POST', '/v1/policies', [policy('two'), policy('one', { access: open })]],
    ['PUT', '/v1/policies/one/access', open],
  ])('%s %s of a public policy is refused, and nothing is written', async (method, path, json) => {
    const answer = await refusing.ask({ method, path, json });
    expect(answer).toMatchObject({ status: 400, body: { code: 'POLICY_INVALID' } });
    expect(answer.body.field).toMatch(/access\.allowPublicTraffic$/);
    expect(answer.body.message).toContain('--public-traffic refuse');
    expect(await refusing.store.list({ limit: 9 })).toEqual([]);
  });
});
