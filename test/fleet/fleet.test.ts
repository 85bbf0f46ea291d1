import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Readiness } from '../../src/server/readiness.ts';
import { liveGates, readRuns } from '../../src/server/run-file.ts';
import { sandgate } from '../stack/command.ts';
import type { GateProcess } from '../stack/gate-process.ts';
import { startLoad, tally } from '../stack/load.ts';
import { type ProcessStack, startProcessStack } from '../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, publicSandbox } from '../stack/test-stack.ts';

const PROCESSES = 2;
const PATIENCE = { timeout: 30_000, interval: 20 };

let up: Recorder;
let stack: ProcessStack;
let fleet: GateProcess;

beforeEach(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 0, sockets: PROCESSES });
  fleet = await startFleet();
  await stack.waitForGates(PROCESSES);
  await stack.put(publicSandbox('busy'));
});
afterEach(async () => {
  await stack?.stop();
  // Where a test failed before it ended the supervisor.
  for (const { pid } of liveGates(stack.stateDir)) process.kill(pid, 'SIGKILL');
  await up?.close();
});

const startFleet = (flags: Record<string, string> = {}) =>
  stack.startGate(0, {
    socket: join(stack.stateDir, 'check', 'gate.sock'),
    flags: { processes: String(PROCESSES), ...flags },
  });
const load = () => startLoad(stack.http, hostOf(up.port, 'busy'));
const readiness = async () => {
  const response = await fetch(`${fleet.ops}/readyz`);
  return { status: response.status, ...((await response.json()) as Readiness) };
};
const pidOf = async (n: number) => (await readiness()).parts[`gate ${n}`]?.pid as number | undefined;
const allUp = () =>
  vi.waitFor(
    async () => expect(Object.values((await readiness()).parts).every(({ ok }) => ok)).toBe(true),
    PATIENCE,
  );
const pids = async () => Promise.all(Array.from({ length: PROCESSES }, (_, n) => pidOf(n)));
const metric = async (name: string) => {
  const text = await (await fetch(`${fleet.ops}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
};
/** A killed gate may have sent the headers of an answer and not its status: Envoy can then ask nobody else. */
const expectHardlyAnyFailed = (outcomes: ReturnType<typeof load>['outcomes']) => {
  const { 200: answered = 0, 503: refused = 0 } = tally(outcomes);
  expect(answered + refused).toBe(outcomes.length);
  expect(refused).toBeLessThan(outcomes.length / 100);
};
const settled = (outcomes: ReturnType<typeof load>['outcomes'], more: number) => {
  const enough = outcomes.length + more;
  return vi.waitFor(() => expect(outcomes.length).toBeGreaterThan(enough), PATIENCE);
};

describe('several gate processes', () => {
  it('lose hardly a request while one after the other is killed, and count every one in one scrape', async () => {
    const running = load();
    for (let kills = 0; kills < 4; kills++) {
      // In this order: just after a kill Envoy still takes the dead one for healthy.
      await allUp();
      await stack.waitForGates(PROCESSES);
      await settled(running.outcomes, 50);
      process.kill((await pidOf(kills % PROCESSES))!, 'SIGKILL');
      await vi.waitFor(
        async () => expect((await readiness()).parts[`gate ${kills % PROCESSES}`]?.ok).toBe(false),
        PATIENCE,
      );
    }
    await allUp();
    expectHardlyAnyFailed(await running.stop());
    expect(await metric('sandgate_process_up')).toBe(PROCESSES);
    expect(await metric('sandgate_process_restarts_total')).toBe(4);
  });

  it('lose hardly a request while one is killed again and again as soon as it is back', async () => {
    const running = load();
    for (let kills = 0; kills < 4; kills++) {
      let pid: number | undefined;
      await vi.waitFor(async () => {
        pid = await pidOf(1);
        expect(pid).toBeDefined();
      }, PATIENCE);
      process.kill(pid!, 'SIGKILL');
      await vi.waitFor(async () => expect(await pidOf(1)).not.toBe(pid), PATIENCE);
    }
    expectHardlyAnyFailed(await running.stop());
    expect((await readiness()).status).toBe(200);
  });

  it('are all replaced on SIGHUP, three times under load, without a failed request', async () => {
    const running = load();
    for (let round = 1; round <= 3; round++) {
      const before = await pids();
      fleet.signal('SIGHUP');
      await vi.waitFor(() => expect(fleet.log().split('rolling_restart_done')).toHaveLength(round + 1), {
        ...PATIENCE,
        timeout: 60_000,
      });
      const after = await pids();
      expect(after.filter((pid) => pid === undefined || before.includes(pid))).toEqual([]);
    }
    const outcomes = await running.stop();
    expect(tally(outcomes)).toEqual({ 200: outcomes.length });
    expect(await metric('sandgate_process_restarts_total')).toBe(0);
  }, 120_000);

  it('take policies by one API, which no death of a gate takes away', async () => {
    const first = (await pidOf(0))!;
    process.kill(first, 'SIGSTOP');
    process.kill((await pidOf(1))!, 'SIGKILL');
    const put = await sandgate(['policy', 'list', '--state-dir', stack.stateDir]);
    process.kill(first, 'SIGCONT');
    expect(put).toMatchObject({ code: 0, stdout: expect.stringContaining('busy') });
    expect(put.stderr).toContain(`via the gate with pid ${fleet.pid}`);
    // Envoy alone is no proof: for a moment it takes the killed one for healthy.
    await allUp();
    await stack.waitForGates(PROCESSES);
    const deleted = await sandgate(['policy', 'delete', 'busy', '--state-dir', stack.stateDir]);
    expect(deleted.stdout).toBe('deleted busy: in force at 2 gates\n');
  });

  it('answer what is open on SIGTERM, and leave nothing behind', async () => {
    const running = load();
    await settled(running.outcomes, 50);
    await running.stop();
    fleet.signal('SIGTERM');
    expect(await fleet.exited).toBe(0);
    expect(readRuns(stack.stateDir)).toEqual([]);
    expect(readdirSync(join(stack.stateDir, 'check'))).toEqual([]);
    expect(tally(running.outcomes)).toEqual({ 200: running.outcomes.length });
  });

  it('are cut off by a second SIGTERM', async () => {
    fleet.signal('SIGTERM');
    await vi.waitFor(() => expect(fleet.log()).toContain('gate_draining'), PATIENCE);
    // What comes within half a second is the same wish, twice.
    await vi.waitFor(() => {
      fleet.signal('SIGTERM');
      expect(liveGates(stack.stateDir)).toEqual([]);
    }, PATIENCE);
    // The last of these signals may reach a process that has already taken its handlers down.
    expect([0, 'SIGTERM']).toContain(await fleet.exited);
  });

  it('end by themselves when their supervisor is killed, or make way for the next one', async () => {
    await fleet.end();
    await vi.waitFor(() => expect(liveGates(stack.stateDir)).toEqual([]), PATIENCE);

    fleet = await startFleet({ drain: '60' });
    const orphans = await pids();
    await fleet.end();
    fleet = await startFleet();
    const now = await pids();
    expect(now.filter((pid) => orphans.includes(pid))).toEqual([]);
    expect(
      liveGates(stack.stateDir)
        .map(({ pid }) => pid)
        .sort(),
    ).toEqual([...now].sort());
    await stack.waitForGates(PROCESSES);
    fleet.signal('SIGTERM');
    await fleet.exited;
  });

  it('that cannot start are tried again ever more slowly, and say so', async () => {
    const database = join(stack.stateDir, 'policies.db');
    const folder = join(stack.stateDir, 'check');
    expect(existsSync(database)).toBe(true);
    // A folder where a socket must be: each start of that gate fails.
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    process.kill((await pidOf(1))!, 'SIGKILL');
    await vi.waitFor(
      async () => expect(await metric('sandgate_process_restarts_total')).toBeGreaterThan(2),
      PATIENCE,
    );
    const { status, parts } = await readiness();
    expect(status).toBe(200);
    expect(parts['gate 1']).toMatchObject({ ok: false, reason: 'a gate did not start (exit code 1)' });
    expect(await metric('sandgate_process_up')).toBe(PROCESSES - 1);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    await vi.waitFor(async () => expect(await metric('sandgate_process_up')).toBe(PROCESSES), PATIENCE);
    fleet.signal('SIGTERM');
    expect(await fleet.exited).toBe(0);
  });

  it('do not start where one of their sockets is taken, and leave nothing running', async () => {
    const flags = { 'state-dir': join(stack.stateDir, 'other'), processes: '2' };
    await expect(startFleet(flags)).rejects.toThrow(/gate-0\.sock is in use by a running process/);
    expect(liveGates(flags['state-dir'])).toEqual([]);
  });
});
