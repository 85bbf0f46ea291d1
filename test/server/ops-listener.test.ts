import { afterEach, describe, expect, it } from 'vitest';
import type { Exposition } from '../../src/observe/exposition.ts';
import { type OpsListener, startOpsListener } from '../../src/server/ops-listener.ts';
import { readiness } from '../../src/state/readiness.ts';
import { ask, askRaw } from '../stack/client.ts';

let ops: OpsListener | undefined;
afterEach(async () => ops?.close());

async function listen(metrics?: Exposition, ok = true) {
  ops = await startOpsListener(
    { ops: { host: '127.0.0.1', port: 0 }, opsHosts: ['gate-0', 'ops.example:1234'] },
    () => readiness({ store: { ok, kind: 'x' } }),
    metrics,
  );
  const { address } = ops;
  return (path: string, method = 'GET', host = '127.0.0.1') => ask(address, { host, path, method });
}

const contentType = 'text/plain; version=0.0.4; charset=utf-8';
const dump = async () => ({ pid: 1, metrics: [] });

describe('the ops listener', () => {
  it("answers /metrics with the exposition and Prometheus' content type", async () => {
    const get = await listen({ contentType, text: async () => 'a 1\n', dump });
    const answer = await get('/metrics?x=1');
    expect(answer).toMatchObject({ status: 200, body: 'a 1\n' });
    expect(answer.headers).toMatchObject({ 'content-type': contentType, 'cache-control': 'no-store' });
    expect(await get('/metrics', 'HEAD')).toMatchObject({ status: 200, body: '' });
  });

  it('keeps running if the metrics cannot be read, and reveals no more than that', async () => {
    const get = await listen({ contentType, text: () => Promise.reject(new Error('a secret')), dump });
    expect(await get('/metrics')).toMatchObject({
      status: 500,
      body: '{"message":"the metrics could not be read"}\n',
    });
    expect(await get('/healthz')).toMatchObject({ status: 200 });
  });

  it('has no /metrics if there are none', async () => {
    expect((await (await listen())('/metrics')).status).toBe(404);
  });

  it('answers /readyz with 503 if a part is not ok', async () => {
    expect((await (await listen(undefined, false))('/readyz')).status).toBe(503);
  });

  it('lists its paths for any other path, and refuses other methods', async () => {
    const get = await listen();
    expect((await get('/')).body).toContain('/healthz, /readyz or /metrics');
    expect((await get('/metrics', 'POST')).status).toBe(405);
  });

  it('answers for localhost, for any IP address and for the listed names', async () => {
    const get = await listen();
    const addresses = ['10.1.2.3:9464', '10.1.2.3', '[fd00::1]:9464', '[::1]', '0.0.0.0:1'];
    const names = ['localhost', 'LOCALHOST:9', 'gate-0', 'Gate-0:9464', 'ops.example:1234'];
    for (const host of [...addresses, ...names]) expect((await get('/readyz', 'GET', host)).status).toBe(200);
    const { port } = ops!.address;
    expect(await askRaw(ops!.address, 'GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);
    expect(await askRaw(ops!.address, `GET /healthz HTTP/1.0\r\nHost: a.example:${port}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 421 /,
    );
  });

  it('E8: refuses every other name at every path, as DNS rebinding needs one, and says how to list it', async () => {
    const get = await listen();
    const others = [
      ...['evil.example', 'localhost.evil.example', 'ops.example', 'ops.example:1', 'xgate-0', 'gate-0:x'],
      ...['10.1.2.3.evil.example', '127.1', '0x7f.1', '[::1', '::1', '[gate-0]', '127.0.0.1@evil.example'],
    ];
    for (const host of others)
      for (const path of ['/readyz', '/metrics', '/healthz', '/'])
        expect((await get(path, 'GET', host)).status, host).toBe(421);
    expect(JSON.parse((await get('/readyz', 'GET', 'evil.example')).body)).toMatchObject({
      code: 'HOST_REFUSED',
      remedy: expect.stringContaining('SANDGATE_OPS_HOSTS'),
    });
  });
});
