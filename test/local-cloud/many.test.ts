import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAlive, type ProcessIdentity } from '../../src/state/process-identity.ts';
import { eventually } from '../stack/eventually.ts';
import { LONG } from '../stack/long.ts';
import { type LocalStack, startLocalStack } from './local-stack.ts';
import { remains } from './stand-in/remains.ts';

const MANY = LONG ? 50 : 20;

let stack: LocalStack;
beforeAll(async () => {
  stack = await startLocalStack();
}, 120_000);
afterAll(() => stack.stop());

interface Made {
  sandboxID: string;
  trafficAccessToken: string;
  /** PID 1 of the namespace: when it ends, the kernel ends all others in it. */
  processes: ProcessIdentity[];
}

async function create(): Promise<Made> {
  const body = { templateID: 'base', network: { allowPublicTraffic: false } };
  const { status, json, text } = await stack.api('POST', '/v2/sandboxes', body);
  expect(status, text).toBe(201);
  const record = JSON.parse(
    readFileSync(join(stack.stateDir, 'sandboxes', json.sandboxID, 'record.json'), 'utf8'),
  );
  expect(isAlive(record.init)).toBe(true);
  return { ...json, processes: [record.init, record.keeper] };
}

/** Through Envoy, the gate and the node proxy to the agent inside. */
async function use({ sandboxID, trafficAccessToken }: Made): Promise<void> {
  const host = (port: number) => `${port}-${sandboxID}.e2b.localhost`;
  expect((await stack.ask(host(49983), '/health')).status).toBe(204);
  expect((await stack.ask(host(8080))).status).toBe(403);
  const { status, text } = await stack.ask(host(8080), '/', {
    'e2b-traffic-access-token': trafficAccessToken,
  });
  expect([status, text]).toEqual([502, expect.stringContaining('port is not open')]);
}

async function left(made: readonly Made[]): Promise<string[]> {
  const ids = made.map(({ sandboxID }) => sandboxID);
  const { records } = await stack.policies.list({ limit: 500 });
  return [
    ...remains(stack.stateDir, ids, []),
    ...made.flatMap(({ processes }) => processes.filter(isAlive)).map(({ pid }) => `process ${pid}`),
    ...records.map(({ sandboxId }) => `policy ${sandboxId}`),
    ...readdirSync(join(stack.stateDir, 'sandboxes')).map((name) => `folder ${name}`),
  ];
}

describe('many sandboxes', () => {
  it(`${MANY} of them, 10 at a time, created, used and killed, leave nothing`, {
    timeout: 240_000,
  }, async () => {
    const made: Made[] = [];
    const lane = async () => {
      for (let n = 0; n < MANY / 10; n++) {
        const one = await create();
        made.push(one);
        await use(one);
        expect((await stack.api('DELETE', `/sandboxes/${one.sandboxID}`)).status).toBe(204);
        expect((await stack.ask(`8080-${one.sandboxID}.e2b.localhost`)).status).toBe(502);
      }
    };
    await Promise.all(Array.from({ length: 10 }, lane));
    expect(new Set(made.map(({ sandboxID }) => sandboxID)).size).toBe(MANY);
    expect(await left(made)).toEqual([]);
  });

  it('leave nothing if the cloud is killed with SIGKILL and started again', {
    timeout: 120_000,
  }, async () => {
    const made = await Promise.all([create(), create(), create(), create(), create()]);
    await stack.api('POST', `/sandboxes/${made[0]!.sandboxID}/pause`);
    const pid = stack.cloudPid();
    process.kill(pid, 'SIGKILL');
    expect((await stack.api('GET', '/v2/sandboxes')).json).toEqual({
      code: 503,
      message: 'The local cloud is not running. Try again in a moment.',
    });
    await eventually(async () => {
      expect(stack.cloudPid()).not.toBe(pid);
      const { status, json } = await stack.api('GET', '/v2/sandboxes');
      expect([status, json]).toEqual([200, []]);
    }, 100);
    expect(await left(made)).toEqual([]);
    const again = await create();
    await use(again);
    await stack.api('DELETE', `/sandboxes/${again.sandboxID}`);
  });

  it('end with the stack, and so do their policies', { timeout: 120_000 }, async () => {
    const other = await startLocalStack();
    const { json } = await other.api('POST', '/v2/sandboxes', { templateID: 'base' });
    expect(await other.stop()).toBe(0);
    expect(remains(other.stateDir, [json.sandboxID], [])).toEqual([]);
  });
});
