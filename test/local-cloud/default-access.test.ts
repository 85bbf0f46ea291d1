import { afterEach, expect, inject, it } from 'vitest';
import { type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const ISOLATION = inject('machine').isolation === '' ? [] : ['--isolation', 'off'];

async function created(network?: object): Promise<{ status: number; restricted: boolean; message?: string }> {
  const { status, json } = await stack!.api('POST', '/v2/sandboxes', { templateID: 'base', network });
  return { status, restricted: 'trafficAccessToken' in json, message: json.message };
}

it('a default of restricted holds for sandboxes that say nothing, or null', async () => {
  stack = await startLocalStack([...ISOLATION, '--default-access', 'restricted']);
  for (const network of [undefined, null, {}, { allowPublicTraffic: null }])
    expect(await created(network as object)).toMatchObject({ status: 201, restricted: true });
  expect(await created({ allowPublicTraffic: true })).toMatchObject({ status: 201, restricted: false });
});

it('where public traffic is refused, sandboxes are restricted, and a public one is a 400 that says why', async () => {
  stack = await startLocalStack([...ISOLATION, '--public-traffic', 'refuse']);
  expect(await created()).toMatchObject({ status: 201, restricted: true });
  const refused = await created({ allowPublicTraffic: true });
  expect(refused).toMatchObject({ status: 400, message: expect.stringContaining('allowPublicTraffic') });
});
