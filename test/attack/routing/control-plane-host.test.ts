import { connect as connectHttp2 } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LocalStack, startLocalStack } from '../../local-cloud/local-stack.ts';
import { askHttp2, askRaw } from '../../stack/client.ts';

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack();
}, 120_000);
afterAll(() => stack.stop());

/** Only the control plane answers this, so it was reached. */
const ASKS_FOR_KEY = /authorization header is missing/;
const raw = (head: string) => askRaw(stack.http, `${head}\r\nConnection: close\r\n\r\n`);
const get = (host: string) => raw(`GET /v2/sandboxes HTTP/1.1\r\nHost: ${host}`);

describe('the one host that bypasses the gate', () => {
  it.each(['api.e2b.localhost', 'API.e2b.LOCALHOST', 'api.e2b.localhost:8443', 'api.e2b.localhost:1'])(
    '%s is the control plane, in any case and at any port',
    async (host) => {
      expect(await get(host)).toMatch(ASKS_FOR_KEY);
    },
  );

  it.each([
    'api.e2b.localhost.',
    'api.e2b.localhost.:8443',
    'api.e2b.localhost:',
    'api.e2b.localhost:x',
    'api.e2b.localhost:8443:8443',
    'api.e2b.localhost:123456',
    'api.e2b.localhost:-1',
    'xapi.e2b.localhost',
    'api.e2b.localhost.evil.example',
    'x.api.e2b.localhost',
    '8080-api.e2b.localhost',
    'api.localhost',
    'api-e2b.localhost',
    'api.e2b.localhost@8080-i1.e2b.localhost',
    '8080-i1.e2b.localhost@api.e2b.localhost',
    'api.e2b.localhost,8080-i1.e2b.localhost',
    'api.e2b.localhost 8080-i1.e2b.localhost',
    'api%2ee2b.localhost',
    'sandbox.e2b.localhost',
    'e2b.localhost',
    '127.0.0.1',
  ])('%s is not', async (host) => {
    const answer = await get(host);
    expect(answer).toMatch(/^HTTP\/1\.1 (400|502) /);
    expect(answer).not.toMatch(ASKS_FOR_KEY);
  });

  it('two Host headers are not', async () => {
    const [api, sandbox] = ['Host: api.e2b.localhost', 'Host: 8080-i1.e2b.localhost'];
    for (const hosts of [`${api}\r\n${sandbox}`, `${sandbox}\r\n${api}`, `${api}\r\n${api}`]) {
      const answer = await raw(`GET / HTTP/1.1\r\n${hosts}`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).not.toMatch(ASKS_FOR_KEY);
    }
  });

  it('is taken from the target of an absolute-form request, for the control plane and the gate alike', async () => {
    const toApi = 'GET http://api.e2b.localhost/v2/sandboxes HTTP/1.1\r\nHost: 8080-i1.e2b.localhost';
    expect(await raw(toApi)).toMatch(ASKS_FOR_KEY);
    const toSandbox = 'GET http://8080-i1.e2b.localhost/ HTTP/1.1\r\nHost: api.e2b.localhost';
    expect(await raw(toSandbox)).toMatch(/The sandbox was not found/);
  });

  it('is taken from `:authority` over HTTP/2, and an additional host header changes nothing', async () => {
    const asked = { host: 'api.e2b.localhost', path: '/v2/sandboxes' };
    expect((await askHttp2(stack.http, asked)).body).toMatch(ASKS_FOR_KEY);
    const host = '8080-i1.e2b.localhost';
    expect((await askHttp2(stack.http, { host })).body).toMatch(/The sandbox was not found/);
    expect((await askHttp2(stack.http, { host: 'api.e2b.localhost.' })).body).not.toMatch(ASKS_FOR_KEY);
    const session = connectHttp2(`http://${stack.http.host}:${stack.http.port}`);
    const stream = session.request({
      ':authority': host,
      ':path': '/v2/sandboxes',
      host: 'api.e2b.localhost',
    });
    const status = await new Promise((resolve) => {
      stream.on('response', (headers) => resolve(headers[':status']));
      stream.on('error', () => resolve('reset'));
    });
    session.destroy();
    expect(status).not.toBe(401);
  });

  it('reaches no sandbox: the control plane ignores routing headers', async () => {
    const headers = 'E2b-Sandbox-Id: i1\r\nE2b-Sandbox-Port: 8080';
    expect(await raw(`GET / HTTP/1.1\r\nHost: api.e2b.localhost\r\n${headers}`)).toMatch(
      /no matching operation/,
    );
  });
});
