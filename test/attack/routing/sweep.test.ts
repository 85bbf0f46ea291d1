import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ask } from '../../stack/client.ts';
import { LONG } from '../../stack/long.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { startRecorder } from '../../stack/recorder.ts';
import { hostOf, TOKEN } from '../../stack/test-stack.ts';
import { destinations } from '../envoy-admin.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { range, sweep } from './port-sweep.ts';

let scene: Scene;
let open: Sandbox;
let agent: Sandbox;
let locked: Sandbox;
let other: Sandbox;
/** Time of the first request for a port of `open`. */
let sweptSince: number;
beforeAll(async () => {
  scene = await openScene();
  open = await scene.public('open');
  agent = await scene.public('agent', { runtime: { agent: 'self-authenticating' } });
  locked = await scene.restricted('locked');
  other = await scene.public('other');
});
afterAll(() => scene?.close());

/** Distinct ports of one sandbox dialed in any minute for one client: of a public one, and with a token. */
const PUBLIC_PORTS = 64;
const RESTRICTED_PORTS = 2048;
/** Number of requested ports: all of them, or enough to show that the rest is refused. */
const PORTS = LONG ? 65_535 : 3000;
const MORE_PORTS = LONG ? 2000 : 600;
const AGENT_PORTS = LONG ? 3000 : 600;
const LOCKED_PORTS = LONG ? 5000 : 2600;
/** The first unprivileged port. */
const FIRST_LOCKED_PORT = 20_000;
const WITH_TOKEN = { 'e2b-traffic-access-token': TOKEN };

const megabytes = (pid: number | string) =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
const memory = () => ({ envoy: megabytes(scene.stack.envoy.pid), gate: megabytes('self') });
/** Distinct ports that Envoy dialed, from its log, because Envoy drops unused destinations. */
const dialled = (sandbox: Sandbox) =>
  new Set(scene.stack.logs().match(new RegExp(`"upstream":"${sandbox.address}:\\d+"`, 'g'))).size;
/** The log is written slightly after the answer. */
const dialledMoreThan = (sandbox: Sandbox, count: number) =>
  vi.waitFor(() => expect(dialled(sandbox)).toBeGreaterThan(count), PATIENCE);
/** The budget for the time since then; a slow machine, or the long form, takes more than a minute. */
const inBudget = (aMinute: number, since: number) =>
  aMinute * (1 + Math.floor((performance.now() - since) / 60_000));

/** Accepts each connection on these ports and closes it at once; ports without a free descriptor stay closed. */
async function listenOn(address: string, ports: Iterable<number>): Promise<() => void> {
  const servers = await Promise.all(
    Array.from(ports, async (port) => {
      const server = createServer((socket) => socket.destroy());
      await new Promise((resolve) =>
        server.once('error', resolve).listen(port, address, () => resolve(port)),
      );
      return server;
    }),
  );
  return () => {
    for (const server of servers) server.close();
  };
}

describe('C10: one client that requests every port of one sandbox', () => {
  it('reaches 64 of a public one, and memory does not grow with the rest', async () => {
    const before = memory();
    sweptSince = performance.now();
    const statuses = await sweep(scene.stack.http, 'open', range(1, PORTS), 4);
    const after = memory();
    console.info(
      `${PORTS} ports swept; resident MB before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`,
    );
    expect([...statuses.values()].reduce((sum, count) => sum + count)).toBe(PORTS);
    expect([...statuses.keys()].filter((status) => ![200, 502].includes(status))).toEqual([]);
    await dialledMoreThan(open, 40);
    expect(dialled(open)).toBeLessThanOrEqual(inBudget(PUBLIC_PORTS, sweptSince));
    expect(after.envoy - before.envoy).toBeLessThan(200);
    // Test and gate are one process, so the memory of the clients counts too.
    expect(after.gate - before.gate).toBeLessThan(400);
  }, 200_000);

  it('keeps ports in use open, and a server that starts late in another sandbox answers', async () => {
    const late = await startRecorder(0, other.address);
    await late.close();
    const waiting = ask(scene.stack.http, { host: hostOf(late.port, 'other') });
    const more = sweep(scene.stack.http, 'open', range(1, MORE_PORTS), 4);
    const address = `${other.address}:${late.port}`;
    await vi.waitUntil(async () => (await destinations(scene.stack)).includes(address), PATIENCE);
    const started = await startRecorder(late.port, other.address);
    expect(await waiting).toMatchObject({ status: 200, body: 'hello' });
    await more;
    await started.close();
    expect(dialled(open)).toBeLessThanOrEqual(inBudget(PUBLIC_PORTS, sweptSince));
    expect((await ask(scene.stack.http, { host: other.host })).status).toBe(200);
  });

  it('gets the closed-port answer from the gate, identical to that of a closed port', async () => {
    const refused = await ask(scene.stack.http, { host: hostOf(60_000, 'open') });
    const closed = await ask(scene.stack.http, { host: hostOf(60_000, 'other') });
    expect(refused.status).toBe(502);
    expect(refused.headers['x-sandgate-reason']).toBe('port_closed');
    expect(refused.body).toBe(closed.body.replace('"other"', '"open"'));
  });

  it('cannot cut off a self-authenticating agent from its port', async () => {
    const since = performance.now();
    await sweep(scene.stack.http, 'agent', range(1, AGENT_PORTS), 4);
    expect(dialled(agent)).toBeLessThanOrEqual(inBudget(PUBLIC_PORTS, since));
    expect((await ask(scene.stack.http, { host: agent.agentHost })).status).toBe(200);
  });

  it('reaches 2,048 of a restricted one with the token, and none without', async () => {
    const ports = () => range(FIRST_LOCKED_PORT, FIRST_LOCKED_PORT + LOCKED_PORTS - 1);
    // Envoy dials a closed port thirteen times, which takes long and counts no more than an accepted connection.
    const close = LONG ? undefined : await listenOn(locked.address, ports());
    const without = await sweep(scene.stack.http, 'locked', ports(), 4);
    expect([...without]).toEqual([[403, LOCKED_PORTS]]);
    expect(dialled(locked)).toBe(0);
    const since = performance.now();
    await sweep(scene.stack.http, 'locked', ports(), LONG ? 25 : 4, { headers: WITH_TOKEN });
    close?.();
    await dialledMoreThan(locked, 256);
    expect(dialled(locked)).toBeLessThanOrEqual(inBudget(RESTRICTED_PORTS, since));
    console.info(`resident MB after 2,048 destinations ${JSON.stringify(memory())}`);
  }, 120_000);
});
