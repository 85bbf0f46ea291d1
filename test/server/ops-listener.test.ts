import { afterEach, describe, expect, it } from 'vitest';
import type { Exposition } from '../../src/observe/exposition.ts';
import { type OpsListener, startOpsListener } from '../../src/server/ops-listener.ts';
import { readiness } from '../../src/state/readiness.ts';
import { ask } from '../stack/client.ts';

let ops: OpsListener | undefined;
afterEach(async () => ops?.close());

async function listen(metrics?: Exposition, ok = true) {
  ops = await startOpsListener(
    { host: '127.0.0.1', port: 0 },
    () => readiness({ store: { ok, kind: 'x' } }),
    metrics,
  );
  const { address } = ops;
  return (path: string, method = 'GET') => ask(address, { host: 'ops', path, method });
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
});
