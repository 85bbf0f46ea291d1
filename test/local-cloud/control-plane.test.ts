import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trafficToken } from '../../local-cloud/credentials.ts';
import { ask } from '../stack/client.ts';
import { eventually } from '../stack/eventually.ts';
import { type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack();
}, 120_000);
afterAll(() => stack.stop());

const BASE = { templateID: 'base' };
const RESTRICTED = { ...BASE, network: { allowPublicTraffic: false } };
const notFound = (id: string) => ({
  code: 404,
  message: `Sandbox "${id}" doesn't exist or you don't have access to it`,
});
const NEEDS_SECURE = {
  code: 400,
  message:
    "You cannot create a sandbox without public access unless you enable secure envd access via 'secure' flag.",
};

async function create(body: unknown = RESTRICTED, path = '/v2/sandboxes') {
  const { status, json, text } = await stack.api('POST', path, body);
  expect(status, text).toBe(201);
  return json as Record<string, string> & { sandboxID: string };
}
const policyOf = (id: string) => stack.policies.get(id) as Promise<Record<string, Record<string, unknown>>>;

describe('the control plane', () => {
  it('requires the API key on every route', async () => {
    const missing = await stack.api('GET', '/v2/sandboxes', undefined, { key: null });
    expect([missing.status, missing.json.code]).toEqual([401, 401]);
    const wrong = await stack.api('POST', '/v2/sandboxes', BASE, { key: `e2b_${'0'.repeat(40)}` });
    expect([wrong.status, Object.keys(wrong.json)]).toEqual([401, ['code', 'message']]);
    expect((await stack.api('GET', '/nothing')).status).toBe(404);
  });

  it('answers a restricted create as the contract says, and writes the policy', async () => {
    const made = await create();
    const id = made.sandboxID;
    const seed = readFileSync(join(stack.stateDir, 'cloud', 'token-seed'), 'utf8').trim();
    expect(made).toEqual({
      templateID: 'base',
      alias: 'base',
      sandboxID: expect.stringMatching(/^i[a-z0-9]{20}$/),
      clientID: '6532622b',
      envdVersion: '0.5.2',
      domain: `e2b.localhost:${stack.https.port}`,
      envdAccessToken: expect.stringMatching(/^[0-9a-f]{64}$/),
      trafficAccessToken: trafficToken(seed, id),
    });
    const sha256 = createHash('sha256').update(made.trafficAccessToken!).digest('hex');
    expect(await policyOf(id)).toMatchObject({
      runtime: {
        state: 'running',
        agent: 'self-authenticating',
        route: { address: '127.0.0.1', port: expect.any(Number) },
        endsAt: expect.any(String),
      },
      access: { allowPublicTraffic: false, tokens: [{ id: 'default', sha256 }] },
    });
    // Neither the files in the state folder nor the log contain the token.
    for (const file of [
      'cloud/cloud.db',
      'cloud/cloud.db-wal',
      'logs/cloud.log',
      'policies.db',
      'policies.db-wal',
    ]) {
      expect(readFileSync(join(stack.stateDir, file), 'latin1')).not.toContain(made.trafficAccessToken);
    }
    expect((await stack.api('DELETE', `/sandboxes/${id}-6532622b`)).status).toBe(204);
    expect((await stack.api('DELETE', `/sandboxes/${id}`)).json).toEqual(notFound(id));
    await expect(policyOf(id)).rejects.toMatchObject({ code: 'SANDBOX_UNKNOWN' });
    expect(existsSync(join(stack.stateDir, 'sandboxes', id))).toBe(false);
  });

  it('supports v1: a restricted sandbox needs `secure`, and the gate protects an open agent', async () => {
    expect((await stack.api('POST', '/sandboxes', RESTRICTED)).json).toEqual(NEEDS_SECURE);
    const open = await create({ ...BASE, timeout: 60 }, '/sandboxes');
    expect(open).not.toHaveProperty('trafficAccessToken');
    expect(open).not.toHaveProperty('envdAccessToken');
    expect((await policyOf(open.sandboxID)).runtime).not.toHaveProperty('agent');
    const closed = { allowPublicTraffic: false };
    expect((await stack.api('PUT', `/sandboxes/${open.sandboxID}/network`, closed)).json).toEqual(
      NEEDS_SECURE,
    );
    const secure = await create({ ...RESTRICTED, secure: true }, '/sandboxes');
    expect(secure.trafficAccessToken).toMatch(/^[0-9a-f]{64}$/);
    await stack.api('DELETE', `/sandboxes/${open.sandboxID}`);
    await stack.api('DELETE', `/sandboxes/${secure.sandboxID}`);
  });

  it.each([
    [{ templateID: 'none' }, 404, "template 'none' not found"],
    [{}, 400, 'Error when parsing request: templateID'],
    [{ ...BASE, timeout: -1 }, 400, 'Error when parsing request: timeout'],
    [{ ...BASE, timeout: 'soon' }, 400, 'Error when parsing request: timeout'],
    [{ ...BASE, timeout: 86_401 }, 400, 'Timeout cannot be greater than 24 hours'],
    [{ ...BASE, network: { httpsPorts: [443] } }, 400, 'Error when parsing request: network.httpsPorts'],
    [
      { ...BASE, network: { maskRequestHost: 'a b' } },
      400,
      'Error when parsing request: network.maskRequestHost',
    ],
    [
      { ...BASE, network: { allowPublicTraffic: 'false' } },
      400,
      'Error when parsing request: network.allowPublicTraffic',
    ],
    ['{ not json', 400, 'Error when parsing request'],
  ])('refuses to create %j', async (body, status, message) => {
    const answer = await stack.api('POST', '/v2/sandboxes', body);
    expect(answer.json).toEqual({ code: status, message: expect.stringContaining(message) });
    expect(answer.status).toBe(status);
    expect((await stack.api('GET', '/v2/sandboxes')).json).toEqual([]);
  });

  it.each([
    'GET /sandboxes/X',
    'DELETE /sandboxes/X',
    'POST /sandboxes/X/pause',
    'POST /sandboxes/X/resume',
    'POST /v2/sandboxes/X/connect',
  ])('refuses an unknown id: %s', async (call) => {
    const [method = '', path = ''] = call.split(' ');
    const id = 'i00000000000000000000';
    const answer = await stack.api(method, path.replace('X', id), method === 'POST' ? {} : undefined);
    expect([answer.status, answer.json]).toEqual([404, notFound(id)]);
    expect(
      (await stack.api(method, path.replace('X', 'NO!'), method === 'POST' ? {} : undefined)).status,
    ).toBe(400);
  });

  it('pauses and resumes, and the token stays the same', async () => {
    const { sandboxID: id, trafficAccessToken } = await create();
    expect((await stack.api('POST', `/sandboxes/${id}/pause`)).status).toBe(204);
    expect((await stack.api('POST', `/sandboxes/${id}/pause`)).status).toBe(409);
    expect((await policyOf(id)).runtime).toMatchObject({ state: 'paused' });
    expect((await stack.ask(`8080-${id}.e2b.localhost`)).status).toBe(502);
    expect((await stack.api('POST', `/sandboxes/${id}/timeout`, { timeout: 60 })).status).toBe(404);
    const resumed = await stack.api('POST', `/sandboxes/${id}/resume`, { timeout: 60 });
    expect([resumed.status, resumed.json.trafficAccessToken]).toEqual([201, trafficAccessToken]);
    expect((await stack.api('POST', `/sandboxes/${id}/resume`, {})).status).toBe(409);
    await stack.api('POST', `/sandboxes/${id}/pause`);
    expect((await stack.api('POST', `/v2/sandboxes/${id}/connect`, {})).status).toBe(201);
    expect((await stack.api('POST', `/v2/sandboxes/${id}/connect`, {})).status).toBe(200);
    expect((await policyOf(id)).runtime).toMatchObject({ state: 'running' });
    for (const path of [`/sandboxes/${id}`, '/v2/sandboxes', '/sandboxes']) {
      expect((await stack.api('GET', path)).text).not.toContain(trafficAccessToken);
    }
    await stack.api('DELETE', `/sandboxes/${id}`);
  });

  it('ends a sandbox when its time is over, or pauses it if it was created that way', async () => {
    const { sandboxID: id } = await create();
    const { sandboxID: paused } = await create({ ...RESTRICTED, autoPause: true });
    const endsAt = (await policyOf(id)).runtime!.endsAt;
    const connected = await stack.api('POST', `/sandboxes/${id}/connect`, { timeout: 1 });
    expect(connected.status).toBe(200);
    expect((await policyOf(id)).runtime!.endsAt).toBe(endsAt);
    for (const one of [id, paused]) {
      expect((await stack.api('POST', `/sandboxes/${one}/timeout`, { timeout: 1 })).status).toBe(204);
    }
    expect((await policyOf(id)).runtime!.endsAt).not.toBe(endsAt);
    await eventually(async () => expect((await stack.api('GET', `/sandboxes/${id}`)).status).toBe(404));
    await expect(policyOf(id)).rejects.toMatchObject({ code: 'SANDBOX_UNKNOWN' });
    await eventually(async () =>
      expect((await stack.api('GET', `/sandboxes/${paused}`)).json).toMatchObject({ state: 'paused' }),
    );
    await stack.api('DELETE', `/sandboxes/${paused}`);
  });

  it("leaves operators' tokens and revocations alone when the network changes", async () => {
    const { sandboxID: id } = await create();
    const minted = await stack.policies.mintToken(id, { label: 'an operator' });
    await stack.policies.revokeToken(id, 'default');
    const changes = Array.from({ length: 5 }, (_, n) =>
      stack.api('PUT', `/sandboxes/${id}/network`, { allowPublicTraffic: n % 2 === 1 }),
    );
    const more = Array.from({ length: 5 }, (_, n) => stack.policies.mintToken(id, { id: `t${n}` }));
    for (const { status } of await Promise.all(changes)) expect(status).toBe(204);
    await Promise.all(more);
    // The order of those is undefined; this one is the last.
    expect((await stack.api('PUT', `/sandboxes/${id}/network`, { allowPublicTraffic: false })).status).toBe(
      204,
    );
    const { access } = await policyOf(id);
    const tokens = (access!.tokens as { id: string }[]).map((token) => token.id).sort();
    expect(tokens).toEqual([minted.info.id, 't0', 't1', 't2', 't3', 't4'].sort());
    expect(access).toMatchObject({ allowPublicTraffic: false, revoked: [expect.any(String)] });
    await stack.api('DELETE', `/sandboxes/${id}`);
  });

  it('lists in pages', async () => {
    const made = [await create(), await create({ ...RESTRICTED, metadata: { k: 'v' } }), await create()];
    const [first, second, third] = made.map(({ sandboxID }) => sandboxID);
    const page = await stack.api('GET', '/v2/sandboxes?limit=2');
    expect(page.json.map(({ sandboxID }: { sandboxID: string }) => sandboxID)).toEqual([third, second]);
    const next = await stack.api('GET', `/v2/sandboxes?limit=2&nextToken=${page.headers['x-next-token']}`);
    expect(next.json).toMatchObject([{ sandboxID: first, state: 'running', templateID: 'base' }]);
    expect(next.headers['x-next-token']).toBeUndefined();
    expect((await stack.api('GET', '/v2/sandboxes?metadata=k%3Dv')).json).toHaveLength(1);
    expect((await stack.api('GET', '/v2/sandboxes?limit=none')).status).toBe(400);
    for (const { sandboxID } of made) await stack.api('DELETE', `/sandboxes/${sandboxID}`);
  });
});

describe('signed URLs of the agent, through the ingress', () => {
  it('take a form field without a file name, and give a part of what it wrote', async () => {
    const { sandboxID: id, envdAccessToken: token } = await create();
    const signed = (operation: string) => {
      const text = ['part.html', operation, '', token].join(':');
      const signature = createHash('sha256').update(text).digest('base64').replace(/=+$/, '');
      return `/files?path=part.html&signature=${encodeURIComponent(`v1_${signature}`)}`;
    };
    const form = new FormData();
    form.append('file', '<p>0123456789</p>');
    const body = new Response(form);
    const host = `49983-${id}.e2b.localhost`;
    const uploaded = await ask(stack.http, {
      host,
      method: 'POST',
      path: signed('write'),
      headers: { 'content-type': body.headers.get('content-type')! },
      body: await body.text(),
    });
    expect([uploaded.status, JSON.parse(uploaded.body)]).toEqual([
      200,
      [{ path: expect.stringMatching(/\/part\.html$/), name: 'part.html', type: 'file' }],
    ]);
    const part = await ask(stack.http, { host, path: signed('read'), headers: { range: 'bytes=3-6' } });
    expect(part).toMatchObject({
      status: 206,
      body: '0123',
      headers: { 'content-range': 'bytes 3-6/17', 'content-type': 'text/html; charset=utf-8' },
    });
    const same = await ask(stack.http, {
      host,
      path: signed('read'),
      headers: { 'if-modified-since': part.headers['last-modified']! },
    });
    expect([same.status, same.body]).toEqual([304, '']);
    const refused = await ask(stack.http, { host, path: signed('write'), headers: { range: 'bytes=3-6' } });
    expect(refused.status).toBe(401);
    await stack.api('DELETE', `/sandboxes/${id}`);
  });
});
