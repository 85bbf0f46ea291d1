import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Address } from '../../../src/address.ts';
import { liveGates } from '../../../src/state/run-file.ts';
import { type Answered, ask } from '../../stack/client.ts';
import { type GateProcess, startGateProcess } from '../../stack/gate-process.ts';
import { LONG } from '../../stack/long.ts';
import { PATIENCE } from '../../stack/patience.ts';

const KEY = 'k'.repeat(32);
const ATTACKERS = 2000;
const PROBES = LONG ? 500 : 50;
/** The limit of the listener, and what a gate has open anyway. */
const OPEN_MAX = 256 + 64;
/** In MiB; 2,000 connections that stay open take more than 20 in the gate, and each file descriptor more elsewhere. */
const MEMORY_MAX = 64;

const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-ops-'));
const attackers = new Set<Socket>();
let gate: GateProcess;
let listeners: Record<'ops' | 'policyApi', { at: Address; probe(): Promise<Answered> }>;
beforeAll(async () => {
  gate = await startGateProcess({
    stateDir,
    socket: join(stateDir, 'check', 'gate.sock'),
    ownListeners: '',
    flags: { 'policy-api': '127.0.0.1:0' },
    wrap: ['env', `SANDGATE_POLICY_API_KEYS=${KEY}`],
  });
  const { ops, policyApi } = liveGates(stateDir)[0]!;
  const api = { host: '127.0.0.1', port: Number(policyApi!.split(':')[1]) };
  const headers = { authorization: `Bearer ${KEY}` };
  listeners = {
    ops: { at: ops, probe: () => ask(ops, { host: `127.0.0.1:${ops.port}`, path: '/readyz' }) },
    policyApi: { at: api, probe: () => ask(api, { host: policyApi!, path: '/v1/policies', headers }) },
  };
});
afterEach(async () => {
  for (const socket of attackers) socket.destroy();
  await vi.waitFor(() => expect(openFiles()).toBeLessThan(64), PATIENCE);
});
afterAll(async () => {
  await gate?.end();
  rmSync(stateDir, { recursive: true, force: true });
});

const openFiles = () => readdirSync(`/proc/${gate.pid}/fd`).length;

/** A connection that sends these bytes and nothing more, and never closes its side. Resolves once it is connected. */
function attack({ host, port }: Address, bytes: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, allowHalfOpen: true });
    attackers.add(socket);
    socket.resume();
    socket.on('error', () => {});
    socket.once('close', () => attackers.delete(socket));
    socket.once('connect', () => {
      socket.write(bytes);
      resolve();
    });
  });
}

const head = (method: string, path: string, host: string) =>
  `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;

describe('E8: while 2,000 connections hold a listener', () => {
  it.each(['ops', 'policyApi'] as const)('every new request to %s is answered', async (name) => {
    const { at, probe } = listeners[name];
    const host = `${at.host}:${at.port}`;
    const unfinished = ['', 'GET /readyz HT', `${head('GET', '/readyz', host)}X-Slow: `];
    const finished = [
      `${head('POST', '/readyz', host)}Content-Length: 1000\r\n\r\n[`,
      `${head('GET', '/readyz', host)}\r\n`,
    ];
    // The policy API counts finished heads per client address, and answers this address 429.
    const slow = name === 'ops' ? [...unfinished, ...finished] : unfinished;
    const before = gate.memory();
    const memory: number[] = [];
    const wave = ATTACKERS / PROBES;
    for (let n = 0; n < PROBES; n++) {
      const opening = Array.from({ length: LONG ? ATTACKERS / 50 : wave }, (_, i) =>
        attack(at, slow[i % slow.length]!),
      );
      // Once while they connect, and once when all of them hold on.
      const [during] = await Promise.all([probe(), ...opening]);
      const after = await probe();
      expect([during.status, after.status]).toEqual([200, 200]);
      expect(openFiles()).toBeLessThan(OPEN_MAX);
      memory.push(gate.memory());
    }
    expect(Math.max(...memory) - before).toBeLessThan(MEMORY_MAX);
  });

  it('a silent one is closed, too', async () => {
    const { at } = listeners.ops;
    await Promise.all(
      ['', 'GET', `${head('GET', '/readyz', '127.0.0.1')}X-Slow: `].map((bytes) => attack(at, bytes)),
    );
    const silent = [...attackers];
    const ended = Promise.all(silent.map((one) => new Promise((resolve) => one.once('end', resolve))));
    await ended;
    expect(silent).toHaveLength(3);
  });
});
