import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Readiness } from '../../src/state/readiness.ts';
import { liveGates, readRuns } from '../../src/state/run-file.ts';
import { sandgate } from '../stack/command.ts';
import type { GateProcess } from '../stack/gate-process.ts';
import { type Load, startLoad, tally } from '../stack/load.ts';
import { LONG } from '../stack/long.ts';
import { PATIENCE } from '../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../stack/recorder.ts';
import { hostOf, publicSandbox } from '../stack/test-stack.ts';

const PROCESSES = 2;
/** Polls less often: each poll makes the supervisor query every gate. */
const LOOKS = { ...PATIENCE, interval: 50 };
/** Enough to kill each gate at least once. */
const KILLS = LONG ? 4 : PROCESSES;
const SIGHUPS = LONG ? 3 : 1;

let up: Recorder;
let stack: ProcessStack;
let fleet: GateProcess;
/** False once the supervisor has ended: the next test starts another one. */
let isUp = false;
const loads: Load[] = [];

beforeAll(async () => {
  up = await startRecorder();
  stack = await startProcessStack({ gates: 0, sockets: PROCESSES });
});
beforeEach(async () => {
  if (!isUp) fleet = await startFleet();
  await allUp();
  await stack.waitForGates(PROCESSES);
  await stack.put(publicSandbox('busy'));
});
afterEach(async ({ task }) => {
  await Promise.all(loads.splice(0).map((running) => running.stop()));
  // A failed test may have left gates in any state.
  if (task.result?.state === 'fail') await endAll();
});
afterAll(async () => {
  await endAll();
  await stack?.stop();
  await up?.close();
});

/** Ends the supervisor, and gates that outlived it. */
async function endAll(): Promise<void> {
  await fleet?.end();
  for (const { pid } of liveGates(stack.stateDir)) process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(liveGates(stack.stateDir)).toEqual([]), PATIENCE);
}

async function startFleet(flags: Record<string, string> = {}): Promise<GateProcess> {
  const started = await stack.startGate(0, {
    socket: join(stack.stateDir, 'check', 'gate.sock'),
    flags: { processes: String(PROCESSES), ...flags },
  });
  isUp = true;
  void started.exited.then(() => {
    isUp = false;
  });
  return started;
}
const load = () => {
  const running = startLoad(stack.http, hostOf(up.port, 'busy'));
  loads.push(running);
  return running;
};
const readiness = async () => {
  const response = await fetch(`${fleet.ops}/readyz`);
  return { status: response.status, ...((await response.json()) as Readiness) };
};
const pidOf = async (n: number) => (await readiness()).parts[`gate ${n}`]?.pid as number | undefined;
const allUp = () =>
  vi.waitFor(
    async () => expect(Object.values((await readiness()).parts).every(({ ok }) => ok)).toBe(true),
    LOOKS,
  );
const pids = async () => Promise.all(Array.from({ length: PROCESSES }, (_, n) => pidOf(n)));
const metric = async (name: string) => {
  const text = await (await fetch(`${fleet.ops}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
};
/** A killed gate may have sent the headers of a response without its status: Envoy can then not retry. */
const expectHardlyAnyFailed = (outcomes: Load['outcomes']) => {
  const { 200: answered = 0, 503: refused = 0 } = tally(outcomes);
  expect(answered + refused).toBe(outcomes.length);
  expect(refused).toBeLessThan(outcomes.length / 100);
};
const settled = (outcomes: Load['outcomes'], more: number) => {
  const enough = outcomes.length + more;
  return vi.waitFor(() => expect(outcomes.length).toBeGreaterThan(enough), PATIENCE);
};

/** How much the metric rises while `work` runs: the same fleet may have served another test before. */
async function risen(name: string, work: () => Promise<void>): Promise<number> {
  const before = await metric(name);
  await work();
  return (await metric(name)) - before;
}

describe('several gate processes', () => {
  it('are all replaced on SIGHUP under load, without a failed request', async () => {
    const running = load();
    const restarts = await risen('sandgate_process_restarts_total', async () => {
      for (let round = 1; round <= SIGHUPS; round++) {
        const before = await pids();
        fleet.signal('SIGHUP');
        await vi.waitFor(() => expect(fleet.log().split('rolling_restart_done')).toHaveLength(round + 1), {
          ...PATIENCE,
          timeout: 60_000,
        });
        const after = await pids();
        expect(after.filter((pid) => pid === undefined || before.includes(pid))).toEqual([]);
      }
    });
    const outcomes = await running.stop();
    expect(tally(outcomes)).toEqual({ 200: outcomes.length });
    expect(restarts).toBe(0);
  }, 200_000);

  it('lose almost no request while one after the other is killed, and count every request in one scrape', async () => {
    const running = load();
    const restarts = await risen('sandgate_process_restarts_total', async () => {
      for (let kills = 0; kills < KILLS; kills++) {
        // In this order, because right after a kill Envoy still considers the dead gate healthy.
        await allUp();
        await stack.waitForGates(PROCESSES);
        await settled(running.outcomes, 200);
        process.kill((await pidOf(kills % PROCESSES))!, 'SIGKILL');
        await vi.waitFor(
          async () => expect((await readiness()).parts[`gate ${kills % PROCESSES}`]?.ok).toBe(false),
          LOOKS,
        );
      }
      await allUp();
    });
    expectHardlyAnyFailed(await running.stop());
    expect(await metric('sandgate_process_up')).toBe(PROCESSES);
    expect(restarts).toBe(KILLS);
  }, 120_000);

  it('share one policy API, which survives the death of a gate', async () => {
    const first = (await pidOf(0))!;
    process.kill(first, 'SIGSTOP');
    process.kill((await pidOf(1))!, 'SIGKILL');
    const put = await sandgate(['policy', 'list', '--state-dir', stack.stateDir]);
    process.kill(first, 'SIGCONT');
    expect(put).toMatchObject({ code: 0, stdout: expect.stringContaining('busy') });
    expect(put.stderr).toContain(`via the gate with pid ${fleet.pid}`);
    // Envoy alone proves nothing: for a moment it considers the killed gate healthy.
    await allUp();
    await stack.waitForGates(PROCESSES);
    const deleted = await sandgate(['policy', 'delete', 'busy', '--state-dir', stack.stateDir]);
    expect(deleted.stdout).toBe('deleted busy: in force at 2 gates\n');
  });

  it('lose almost no request while one is killed again and again as soon as it is back', async () => {
    const running = load();
    for (let kills = 0; kills < KILLS; kills++) {
      await settled(running.outcomes, 200);
      let pid: number | undefined;
      await vi.waitFor(async () => {
        pid = await pidOf(1);
        expect(pid).toBeDefined();
      }, LOOKS);
      process.kill(pid!, 'SIGKILL');
      await vi.waitFor(async () => expect(await pidOf(1)).not.toBe(pid), LOOKS);
    }
    expectHardlyAnyFailed(await running.stop());
    expect((await readiness()).status).toBe(200);
  }, 120_000);

  it('do not start if one of their sockets is taken, and leave nothing running', async () => {
    const flags = { 'state-dir': join(stack.stateDir, 'other'), processes: '2' };
    await expect(startFleet(flags)).rejects.toThrow(/gate-0\.sock is in use by a running process/);
    expect(liveGates(flags['state-dir'])).toEqual([]);
  });

  it('end on their own if their supervisor is killed, or are ended by the next one', async () => {
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
  }, 120_000);

  it('that cannot start are tried again after longer and longer waits, and report it', async () => {
    const database = join(stack.stateDir, 'policies.db');
    const folder = join(stack.stateDir, 'check');
    expect(existsSync(database)).toBe(true);
    // A folder in place of the socket makes each start of that gate fail.
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    process.kill((await pidOf(1))!, 'SIGKILL');
    await vi.waitFor(
      async () => expect(await metric('sandgate_process_restarts_total')).toBeGreaterThan(2),
      LOOKS,
    );
    const { status, parts } = await readiness();
    expect(status).toBe(200);
    expect(parts['gate 1']).toMatchObject({ ok: false, reason: 'a gate did not start (exit code 1)' });
    expect(await metric('sandgate_process_up')).toBe(PROCESSES - 1);
    rmSync(folder);
    renameSync(`${folder}.away`, folder);
    await vi.waitFor(async () => expect(await metric('sandgate_process_up')).toBe(PROCESSES), LOOKS);
    fleet.signal('SIGTERM');
    expect(await fleet.exited).toBe(0);
  }, 120_000);

  it('answer open requests on SIGTERM, and leave nothing behind', async () => {
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
    // A second signal within half a second counts as the same one.
    await vi.waitFor(() => {
      fleet.signal('SIGTERM');
      expect(liveGates(stack.stateDir)).toEqual([]);
    }, PATIENCE);
    // The last of these signals may reach a process that has already removed its handlers.
    expect([0, 'SIGTERM']).toContain(await fleet.exited);
  });
});
