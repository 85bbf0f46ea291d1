import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PATIENCE_MS } from '../stack/patience.ts';
import { type RunningEnvoy, startRunningEnvoy } from './running-envoy.ts';
import { answer, type StubGate, startStubGate } from './stub-gate.ts';

let folder: string;
let running: RunningEnvoy;
const gates: StubGate[] = [];
const socketOf = (n: number) => join(folder, `gate-${n}.sock`);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-gates-'));
  running = await startRunningEnvoy({ gates: [{ path: socketOf(0) }, { path: socketOf(1) }] });
});

afterEach(async () => {
  await running?.stop();
  for (const gate of gates.splice(0)) gate.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts gate `n`, and resolves when Envoy sees `healthy` gates. */
async function start(n: number, healthy: number): Promise<void> {
  const gate = await startStubGate(socketOf(n));
  gate.answer = () => answer(403, {}, `gate ${n}`);
  gates[n] = gate;
  await expect.poll(() => running.envoy.admin.healthyGates(), { timeout: PATIENCE_MS }).toBe(healthy);
}

const ask = async (count: number) => {
  const replies = await Promise.all(Array.from({ length: count }, () => running.get()));
  return new Set(replies.map(({ body }) => body));
};

it('loses no request if a gate dies just after another became healthy', async () => {
  await start(0, 1);
  await start(1, 2);
  await ask(20);
  gates[0]!.close();
  expect(await ask(50)).toEqual(new Set(['gate 1']));
});

it('answers again as soon as the only gate is back', async () => {
  await start(0, 1);
  gates[0]!.close();
  await expect.poll(async () => (await running.get()).status, { timeout: PATIENCE_MS }).toBe(503);
  await expect.poll(() => running.envoy.admin.healthyGates(), { timeout: PATIENCE_MS }).toBe(0);
  await start(0, 1);
  expect(await ask(20)).toEqual(new Set(['gate 0']));
});
