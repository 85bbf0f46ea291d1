import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ask } from '../../stack/client.ts';
import { eventually } from '../../stack/eventually.ts';
import { LONG, LONG_TEST_MS } from '../../stack/long.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { hostOf } from '../../stack/test-stack.ts';
import { destinations } from '../envoy-admin.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { range, sweep } from './port-sweep.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

/** The owner of a sandbox, and strangers, each with an address of its own. */
const OWNER = '127.0.0.2';
const STRANGERS = LONG ? 300 : 40;
/** The sweep that once closed the idle port of an owner had 15 requests a second; the short form makes as many in less time. */
const PER_SECOND = LONG ? 15 : 250;
const SWEPT = 400;
const stranger = (number: number) => `127.0.${1 + (number >> 8)}.${number & 0xff}`;

const askAs = (from: string, port: number, id: string) =>
  ask(scene.stack.http, { host: hostOf(port, id), from });

/** A busy machine may take longer than the gate waits. Places are taken for a minute, which is more than the patience. */
const opensForOwner = (port: number, id: string) =>
  eventually(async () => expect(await askAs(OWNER, port, id)).toMatchObject({ status: 200, body: 'hello' }));

/** Distinct ports of a sandbox that Envoy dialed, from its log. */
const dialled = ({ address }: Sandbox) =>
  new Set(scene.stack.logs().match(new RegExp(`"upstream":"${address}:\\d+"`, 'g'))).size;

describe('C10: strangers that sweep the ports of a public sandbox', () => {
  it('from one address, one request after another, leave the idle port of its owner open', {
    timeout: LONG_TEST_MS,
  }, async () => {
    const sandbox = await scene.public('slow');
    const sweeping = new AbortController();
    const pending: Promise<unknown>[] = [];
    let swept = 0;
    const rate = (async () => {
      // Envoy retries a closed port for a second, so a sweep at this rate has many requests open at a time.
      while (!sweeping.signal.aborted) {
        pending.push(askAs(stranger(1), 10_000 + swept++, 'slow'));
        await pause(1000 / PER_SECOND);
      }
    })();
    await vi.waitUntil(() => swept >= SWEPT, { timeout: LONG_TEST_MS, interval: 20 });
    await opensForOwner(sandbox.app.port, 'slow');
    sweeping.abort();
    await rate;
    await Promise.all(pending);
    expect(dialled(sandbox)).toBeLessThanOrEqual(64);
  });

  it('from one address get 64 ports at most, and the owner one that started late', async () => {
    const sandbox = await scene.public('one');
    await sweep(scene.stack.http, 'one', range(1, 400), 4, { from: stranger(1) });
    await vi.waitFor(() => expect(dialled(sandbox)).toBeGreaterThan(40), PATIENCE);
    expect(dialled(sandbox)).toBeLessThanOrEqual(64);
    const late = await startRecorder(0, sandbox.address);
    await late.close();
    const waiting = askAs(OWNER, late.port, 'one');
    const address = `${sandbox.address}:${late.port}`;
    await vi.waitUntil(async () => (await destinations(scene.stack)).includes(address), PATIENCE);
    const started = await startRecorder(late.port, sandbox.address);
    expect(await waiting).toMatchObject({ status: 200, body: 'hello' });
    await started.close();
  });

  it('from many addresses leave the idle ports of its owner open, and those of others', {
    timeout: LONG_TEST_MS,
  }, async () => {
    const sandbox = await scene.public('many');
    const other = await scene.public('other');
    const idle: Recorder[] = await Promise.all(
      Array.from({ length: 20 }, () => startRecorder(0, sandbox.address)),
    );
    const attack = async () => {
      for (let first = 0; first < STRANGERS; first += 20) {
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => {
            const number = first + i;
            return sweep(scene.stack.http, 'many', range(1 + number * 64, 64 + number * 64), 1, {
              from: stranger(number),
            });
          }),
        );
      }
    };
    const swept = attack();
    await vi.waitFor(() => expect(dialled(sandbox)).toBeGreaterThanOrEqual(192), PATIENCE);
    for (const { port } of [...idle, sandbox.app]) {
      await opensForOwner(port, 'many');
    }
    expect((await askAs(OWNER, other.app.port, 'other')).status).toBe(200);
    await swept;
    // A closed port gets the answer of the gate, which did not let Envoy dial it.
    const refused = await askAs(OWNER, 60_001, 'many');
    expect(refused).toMatchObject({ status: 502, headers: { 'x-sandgate-reason': 'port_closed' } });
    expect(refused.body).toBe((await askAs(OWNER, 60_001, 'other')).body.replace('"other"', '"many"'));
    expect(dialled(sandbox)).toBeLessThanOrEqual(255);
    expect(scene.stack.logs()).not.toContain(`"upstream":"${sandbox.address}:60001"`);
    await Promise.all(idle.map((recorder) => recorder.close()));
  });

  it('from the address of its owner leave the idle port open too', async () => {
    const sandbox = await scene.public('same');
    await sweep(scene.stack.http, 'same', range(1, 400), 4, { from: OWNER });
    await opensForOwner(sandbox.app.port, 'same');
    expect(dialled(sandbox)).toBeLessThanOrEqual(64);
  });

  it('of which many listen get 64 ports at most from one address, and 255 from many', async () => {
    const sandbox = await scene.public('listening');
    const servers = await Promise.all(Array.from({ length: 300 }, () => startRecorder(0, sandbox.address)));
    const ports = servers.map(({ port }) => port);
    const one = await sweep(scene.stack.http, 'listening', ports, 2, { from: stranger(1) });
    expect(one.get(200)).toBeLessThanOrEqual(64);
    expect(one.get(200)).toBeGreaterThanOrEqual(48);
    for (let number = 2; number <= 8; number++) {
      await sweep(scene.stack.http, 'listening', ports, 2, { from: stranger(number) });
    }
    await vi.waitFor(() => expect(dialled(sandbox)).toBeGreaterThan(192), PATIENCE);
    expect(dialled(sandbox)).toBeLessThanOrEqual(255);
    await Promise.all(servers.map((server) => server.close()));
  });
});
