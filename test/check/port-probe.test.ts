import { createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { PortProbe } from '../../src/check/port-probe.ts';
import { startSilentListener } from '../e2e/silent-listener.ts';
import { closedPort } from '../stack/closed-port.ts';
import { eventually } from '../stack/eventually.ts';
import { PATIENCE_MS } from '../stack/patience.ts';

const always = () => true;
/** Time enough on the slowest machine. */
const PATIENT = { answerMs: PATIENCE_MS };

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A port that answers no connect, at every address of 127.0.0.0/8. */
async function silentPort(): Promise<number> {
  const listener = await startSilentListener('0.0.0.0');
  servers.push(listener);
  return listener.port;
}

async function listen(): Promise<{ port: number; accepted: Socket[] }> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => {}).resume();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as { port: number }).port, accepted };
}

test('finds a port open on which something listens, and hangs up', async () => {
  const { port, accepted } = await listen();
  expect(await new PortProbe(PATIENT).isOpen('127.0.0.1', port, 0, always)).toBe(true);
  await eventually(() => expect(accepted).toHaveLength(1));
  await eventually(() => expect(accepted[0]?.destroyed).toBe(true));
});

test('finds a refused port and a silent one closed', async () => {
  const probe = new PortProbe();
  expect(await probe.isOpen('127.0.0.1', await closedPort(), 0, always)).toBe(false);
  expect(await probe.isOpen('127.0.0.1', await silentPort(), 0, always)).toBe(false);
});

test('connects once for all who ask at the same time', async () => {
  const { port, accepted } = await listen();
  const probe = new PortProbe(PATIENT);
  const asked = Array.from({ length: 100 }, () => probe.isOpen('127.0.0.1', port, 0, always));
  expect(new Set(await Promise.all(asked))).toEqual(new Set([true]));
  await eventually(() => expect(accepted).toHaveLength(1));
});

test('remembers a closed port for half a second', async () => {
  const probe = new PortProbe();
  const port = await closedPort();
  expect(await probe.isOpen('127.0.0.1', port, 1000, always)).toBe(false);
  expect(probe.isOpen('127.0.0.1', port, 1499, always)).toBe(false);
  expect(probe.isOpen('127.0.0.1', port, 1500, always)).toBeInstanceOf(Promise);
});

test('does not connect for someone who may not start a connect', async () => {
  const { port, accepted } = await listen();
  expect(new PortProbe().isOpen('127.0.0.1', port, 0, () => false)).toBe(false);
  expect(accepted).toHaveLength(0);
});

test('a flood of connects that get no answer leaves room for one that does', async () => {
  const { port } = await listen();
  const silent = await silentPort();
  const probe = new PortProbe(PATIENT);
  const flood = (from: number) =>
    Array.from({ length: 500 }, (_, i) =>
      probe.isOpen(`127.0.${from + (i >> 8)}.${i & 255}`, silent, 0, always),
    );
  flood(100);
  const wanted = probe.isOpen('127.0.0.1', port, 0, always);
  flood(102);
  expect(await wanted).toBe(true);
});

test('a burst of refused connects leaves room for one that is not', async () => {
  const { port } = await listen();
  const closed = await closedPort();
  const probe = new PortProbe({ ...PATIENT, atOnce: 8 });
  const burst = (from: number) =>
    Array.from({ length: 500 }, (_, i) =>
      probe.isOpen(`127.0.${from + (i >> 8)}.${i & 255}`, closed, 0, always),
    );
  const before = burst(100);
  const wanted = probe.isOpen('127.0.0.1', port, 0, always);
  const after = burst(102);
  expect(await wanted).toBe(true);
  await Promise.all([...before, ...after]);
});

test('a connect that gave way is not remembered as closed', async () => {
  const silent = await silentPort();
  const probe = new PortProbe({ atOnce: 1 });
  const first = probe.isOpen('127.0.0.1', silent, 0, always);
  const second = probe.isOpen('127.0.0.2', silent, 0, always);
  expect(await first).toBe(false);
  expect(probe.isOpen('127.0.0.1', silent, 0, () => false)).toBe(false);
  expect(probe.isOpen('127.0.0.1', silent, 0, always)).toBeInstanceOf(Promise);
  expect(await second).toBe(false);
});

test('more than can wait are closed at once', () => {
  const probe = new PortProbe({ atOnce: 0 });
  const asked = Array.from({ length: 5000 }, (_, i) => probe.isOpen('127.0.0.1', 1 + i, 0, always));
  expect(asked.filter((answer) => answer === false)).toHaveLength(5000 - 4096);
});
