import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SandgateError } from '../../../src/errors.ts';
import { HttpPolicyAdmin } from '../../../src/policy-api/client/http-client.ts';
import { BODY_MAX } from '../../../src/policy-api/schemas.ts';
import { PATIENCE_MS } from '../../stack/patience.ts';

const KEY = 'k'.repeat(40);
let server: Server;
let seen: { method?: string; url?: string; headers: IncomingMessage['headers']; body: string }[];
let answer: { status: number; body: string } | 'silence';

beforeEach(async () => {
  seen = [];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method!, url: request.url!, headers: request.headers, body });
    if (answer !== 'silence') response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const port = () => (server.address() as AddressInfo).port;
const client = (timeLimitMs = PATIENCE_MS) =>
  new HttpPolicyAdmin({ at: { host: '127.0.0.1', port: port() }, key: KEY, timeLimitMs });
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => {
      expect(error).toBeInstanceOf(SandgateError);
      return error as SandgateError;
    },
  );

describe('the HTTP client of the policy API', () => {
  it('sends every request that the API offers, with the key', async () => {
    answer = { status: 200, body: '{"tokens":[]}' };
    const admin = client();
    await admin.get('a1');
    await admin.list({ limit: 5, after: 'a', state: 'paused', idPrefix: 'b' });
    await admin.put([{ sandboxId: 'a1' }], { create: true });
    await admin.putPart('a1', 'access', {}, '00ff.1');
    await admin.delete('a1');
    expect(await admin.listTokens('a1')).toEqual([]);
    await admin.mintToken('a1', { label: 'x' });
    await admin.revokeToken('a1', 't.1');
    await admin.rotateToken('a1', 't.1', { overlapSeconds: 2 });
    expect(seen.map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual([
      'GET /v1/policies/a1 ',
      'GET /v1/policies?limit=5&after=a&state=paused&idPrefix=b ',
      'POST /v1/policies?create=true [{"sandboxId":"a1"}]',
      'PUT /v1/policies/a1/access {}',
      'DELETE /v1/policies/a1 ',
      'GET /v1/policies/a1/tokens ',
      'POST /v1/policies/a1/tokens {"label":"x"}',
      'DELETE /v1/policies/a1/tokens/t.1 ',
      'POST /v1/policies/a1/tokens/t.1/rotate {"overlapSeconds":2}',
    ]);
    expect(seen.every(({ headers }) => headers.authorization === `Bearer ${KEY}`)).toBe(true);
    expect(seen[3]!.headers['if-match']).toBe('"00ff.1"');
  });

  it('throws the error that the server reported', async () => {
    const body = {
      code: 'VERSION_CONFLICT',
      message: 'changed',
      field: 'access.version',
      currentVersion: '1/2',
      remedy: 'again',
    };
    answer = { status: 409, body: JSON.stringify(body) };
    expect(await failure(client().get('a1'))).toMatchObject(body);
  });

  it('shows what is hidden in the words of the server, which stay on one line', async () => {
    const body = { code: 'POLICY_INVALID', message: 'x\nfix: \x9b2J', remedy: 'a\u202eb' };
    answer = { status: 400, body: JSON.stringify(body) };
    const error = await failure(client().get('a1'));
    expect(error).toMatchObject({ message: 'x\\u{a}fix: \\u{9b}2J', remedy: 'a\\u{202e}b' });
  });

  it.each([
    [200, 'not JSON'],
    [200, '{"sandboxId":"a1","sandboxId":"a2"}'],
    [404, '<html>another server</html>'],
    [500, '{"code":"NO_SUCH_CODE","message":"x"}'],
    [502, '{"code":"toString","message":"x"}'],
    [302, ''],
  ])('distinguishes an answer %i of another server from one of the API', async (status, body) => {
    answer = { status, body };
    const error = await failure(client().get('a1'));
    expect(error).toMatchObject({
      code: 'API_UNREACHABLE',
      remedy: expect.stringContaining('--policy-api-url'),
    });
    expect(error.message).toContain(`answered ${status}`);
  });

  it('gives up on a silent server, and says that the write may have happened', async () => {
    answer = 'silence';
    // Long enough to connect on a busy machine, since the outcome is in doubt only after that.
    const error = await failure(client(500).delete('a1'));
    expect(error).toMatchObject({ code: 'API_UNREACHABLE' });
    expect(error.message).toMatch(/no answer within 0\.5 s; whether the request took effect is not known$/);
  });

  it.each([
    ['a TCP port', () => ({ host: '127.0.0.1', port: 1 })],
    ['a socket', () => ({ path: '/nowhere/admin.sock' })],
  ])('says that nothing listens at %s', async (_where, at) => {
    const error = await failure(new HttpPolicyAdmin({ at: at(), timeLimitMs: PATIENCE_MS }).get('a1'));
    expect(error.code).toBe('API_UNREACHABLE');
    expect(error.message).toMatch(/ECONNREFUSED|ENOENT/);
    expect(error.message).not.toContain('not known');
  });

  it.each(['', '..', 'a/b', 'a?x', 'A', 'a%2fb', 'x'.repeat(64)])(
    'never lets %j become part of a path',
    async (id) => {
      expect((await failure(client().get(id))).code).toBe('SANDBOX_UNKNOWN');
      expect((await failure(client().delete(id))).code).toBe('SANDBOX_UNKNOWN');
      if (id !== 'A' && id !== 'x'.repeat(64))
        expect((await failure(client().revokeToken('a1', id))).code).toBe('TOKEN_UNKNOWN');
      expect(seen).toEqual([]);
    },
  );

  it('refuses what is larger than the server accepts, without sending it, and names the alternative', async () => {
    const record = { sandboxId: 'a1', x: 'x'.repeat(BODY_MAX) };
    const error = await failure(client().put([record]));
    expect(error).toMatchObject({
      code: 'REQUEST_TOO_LARGE',
      remedy: expect.stringContaining('policy import'),
    });
    expect(seen).toEqual([]);
  });
});
