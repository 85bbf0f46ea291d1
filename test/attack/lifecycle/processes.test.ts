import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { unreadPart } from '../../../src/policy/record.ts';
import { type Answered, ask } from '../../stack/client.ts';
import { sandgate } from '../../stack/command.ts';
import { LONG } from '../../stack/long.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { type Recorder, startRecorder } from '../../stack/recorder.ts';
import { digestOf, hostOf, OTHER_TOKEN, publicSandbox, restricted, TOKEN } from '../../stack/test-stack.ts';
import { expectUnavailable } from '../../stack/unavailable.ts';

let stack: ProcessStack;
let up: Recorder;
beforeAll(async () => {
  up = await startRecorder();
});
afterAll(() => up?.close());

const get = (id: string, token?: string): Promise<Answered> =>
  ask(stack.http, {
    host: hostOf(up.port, id),
    headers: token === undefined ? {} : { 'e2b-traffic-access-token': token },
  });

/** The distinct statuses of enough requests to reach both gates. */
const statusesOf = async (id: string, token?: string) => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => get(id, token)));
  return [...new Set(answers.map(({ status }) => status))];
};

describe('D6: two gates, and two writers at the same version', () => {
  beforeAll(async () => {
    stack = await startProcessStack({ gates: 2 });
  });
  afterAll(() => stack?.stop());

  it('one wins, the other gets a conflict, and both gates serve the winner’s policy', async () => {
    for (let round = 0; round < (LONG ? 3 : 1); round++) {
      await stack.put(restricted('d6', { access: { tokens: [] } }));
      const access = unreadPart((await stack.store.read('d6'))!, 'access');
      const putWith = (token: string) =>
        sandgate(['policy', 'put', '-', '--json', '--state-dir', stack.stateDir], {
          input: JSON.stringify({
            sandboxId: 'd6',
            access: { ...access, tokens: [{ id: 'default', sha256: digestOf(token) }] },
          }),
        });
      const [first, second] = await Promise.all([putWith(TOKEN), putWith(OTHER_TOKEN)]);
      expect([first.code, second.code].sort()).toEqual([0, 1]);
      const [won, lost, loser] =
        first.code === 0 ? [TOKEN, OTHER_TOKEN, second] : [OTHER_TOKEN, TOKEN, first];
      expect(JSON.parse(loser.stderr)).toMatchObject({
        error: { code: 'VERSION_CONFLICT', field: 'access.version' },
      });
      expect(await statusesOf('d6', won)).toEqual([200]);
      expect(await statusesOf('d6', lost)).toEqual([403]);
    }
  });

  it('a change that one process writes is in force at both gates', async () => {
    await stack.put(publicSandbox('d6b'));
    expect(await statusesOf('d6b')).toEqual([200]);
    const deleted = await sandgate(['policy', 'delete', 'd6b', '--state-dir', stack.stateDir]);
    expect(deleted.stdout).toBe('deleted d6b: in force at 2 gates\n');
    expect(await statusesOf('d6b')).toEqual([502]);
  });
});

describe('D10, E1: the only gate', () => {
  const HARD_MS = 1500;
  const untilServed = (id: string) =>
    vi.waitFor(async () => expect((await get(id)).status).toBe(200), PATIENCE);
  const isFrozen = async () => expect(await stack.envoy.admin.healthyGates()).toBe(0);

  beforeAll(async () => {
    stack = await startProcessStack({
      gates: 1,
      // The gate does not answer, and Envoy must report it as in production.
      bundledBounds: true,
      flags: { 'cache-fresh': '1', 'cache-hard': String(HARD_MS / 1000), drain: '0' },
    });
  });
  afterAll(() => stack?.stop());
  beforeEach(async () => {
    await stack.put(publicSandbox('was'), publicSandbox('stays'));
    await untilServed('was');
  });

  it('frozen is a 503, and thawed gives no answer older than the bound', async () => {
    const gate = stack.gates[0]!;
    gate.signal('SIGSTOP');
    // Not `stack.put`, which waits for the gate.
    const access = { allowPublicTraffic: false, tokens: [] };
    await stack.store.write([
      { sandboxId: 'was', access: { ...access, revoked: [], upstreamToken: 'strip' } },
    ]);
    const written = performance.now();
    expectUnavailable(await get('was'));
    await vi.waitFor(isFrozen, PATIENCE);
    expectUnavailable(await get('was'));
    await vi.waitFor(() => expect(performance.now() - written).toBeGreaterThan(HARD_MS), PATIENCE);

    // Some are in flight while the gate thaws; all were sent after the bound.
    const answers: Answered[] = [];
    gate.signal('SIGCONT');
    await vi.waitFor(
      async () => {
        answers.push(...(await Promise.all(Array.from({ length: 10 }, () => get('was')))));
        expect(answers.at(-1)?.status).toBe(403);
      },
      { ...PATIENCE, interval: 10 },
    );
    expect(new Set(answers.map(({ status }) => status))).not.toContain(200);
    await untilServed('stays');
  });

  it('killed is a 503, and after a restart answers without a restart of Envoy', async () => {
    await stack.gates[0]!.end();
    expectUnavailable(await get('was'));
    expectUnavailable(await get('nobody'));
    await stack.startGate(0);
    await untilServed('was');
  });

  it('exits with code 0 on SIGTERM, and its socket and run file are gone', async () => {
    const gate = stack.gates[0]!;
    gate.signal('SIGTERM');
    expect(await gate.exited).toBe(0);
    expect(existsSync(gate.socket)).toBe(false);
    expect(existsSync(join(stack.stateDir, 'run', `${gate.pid}.json`))).toBe(false);
    expectUnavailable(await get('was'));
    expect((await stack.startGate(0)).pid).not.toBe(gate.pid);
    await untilServed('was');
  });
});
