import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdMany, KINDS, type Target } from '../../../bench/attack/kinds.mjs';
import { askAsNewcomer, askPath } from '../../../bench/attack/newcomer.mjs';
import { startSandboxes } from '../../../bench/attack/sandboxes.mjs';
import { eventually } from '../../stack/eventually.ts';
import { LONG, LONG_TEST_MS } from '../../stack/long.ts';
import { PATIENCE_MS } from '../../stack/patience.ts';
import { hostOf, restricted, startTestStack, type TestStack, TOKEN } from '../../stack/test-stack.ts';
import { loopback } from '../scene.ts';

const MIB = 1_048_576;
const HEAP_MIB = 96;
/** Requests a second of the attacker. */
const RATE = 300;
/** How many connections Envoy must have taken back, and how many new clients must have been served meanwhile. */
const TAKEN_BACK = LONG ? 1000 : 25;
const NEWCOMERS = LONG ? 200 : 10;
/** Over HTTP/2, a hundred requests share a connection. */
const TAKEN_BACK_OF_STREAMS = LONG ? 20 : 2;
/** One for each way of taking back in the short form. */
const SHORT = ['idle-http2', 'heads-http1', 'uploads-http2'];

let stack: TestStack;
let target: Target;
let stats: string;
let sandboxes: Awaited<ReturnType<typeof startSandboxes>>;
beforeAll(async () => {
  const address = loopback(0);
  sandboxes = await startSandboxes(address);
  const socketFolder = mkdtempSync(join(tmpdir(), 'sandgate-memory-'));
  stats = join(socketFolder, 'stats.sock');
  stack = await startTestStack(
    {},
    { stats: { path: stats }, capacity: { maxHeapBytes: HEAP_MIB * MIB, maxConnections: 100_000 } },
  );
  await stack.put(restricted('locked', { runtime: { route: { address } } }));
  const entry = (name: string) => ({ host: hostOf(sandboxes.ports[name]!, 'locked'), token: TOKEN });
  target = {
    http: stack.http,
    https: stack.https,
    quick: entry('quick'),
    silent: entry('silent'),
    firehose: entry('firehose'),
    socket: entry('socket'),
  };
});
afterAll(async () => {
  await stack?.stop();
  sandboxes?.close();
  rmSync(dirname(stats), { recursive: true, force: true });
});

describe('one client that fills the memory of Envoy', () => {
  it.each(LONG ? Object.keys(KINDS).filter((kind) => !kind.startsWith('drip')) : SHORT)(
    '%s: new clients and probes are answered, and the memory is back afterwards',
    async (kind) => {
      const calm = await allocatedMib();
      const attack = holdMany(kind, target, 100_000, RATE);
      try {
        const enough = /^(uploads|unread|websockets)-http2$/.test(kind) ? TAKEN_BACK_OF_STREAMS : TAKEN_BACK;
        let served = 0;
        let cutOff = 0;
        while (attack.counts.closed < enough || served < NEWCOMERS) {
          const protocol = served % 2 === 0 ? 'h2' : 'http/1.1';
          const { status } = await askAsNewcomer(target.https, target.quick, protocol, PATIENCE_MS);
          const probe = await askPath(stats, '/ready', PATIENCE_MS);
          expect(probe.status).toBe(200);
          // From 85 % of the heap on, Envoy closes some connections at random: a newcomer may be among them. How many in
          // a hundred, `npm run bench -- pressure` says; these few only show that most are served.
          expect([0, 200]).toContain(status);
          if (status === 0) cutOff += 1;
          served += 1;
        }
        expect(cutOff, `of ${served} new clients`).toBeLessThanOrEqual(Math.ceil(served / 5));
      } finally {
        attack.stop();
      }
      await eventually(async () => expect(await allocatedMib()).toBeLessThan(calm + 4));
    },
    LONG_TEST_MS,
  );
});

async function allocatedMib(): Promise<number> {
  const { body } = await askPath(join(stack.stateDir, 'admin.sock'), '/memory', PATIENCE_MS);
  return Number((JSON.parse(body) as { allocated: string }).allocated) / MIB;
}
