import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AgentProgram } from '../../../local-cloud/lifecycle/agent-program.ts';
import type { Birth } from '../../../local-cloud/lifecycle/birth.ts';
import { EntryTable } from '../../../local-cloud/lifecycle/entry-table.ts';
import { Life } from '../../../local-cloud/lifecycle/life.ts';
import { Policies } from '../../../local-cloud/lifecycle/policies.ts';
import { recover } from '../../../local-cloud/lifecycle/recover.ts';
import type { Sandboxes } from '../../../local-cloud/sandbox/sandboxes.ts';
import { SandgateError } from '../../../src/errors.ts';

let folder: string;
let table: EntryTable;
let steps: string[];
/** Calls of the policy API that find no gate. */
let away: Set<string>;
const lives: Life[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-life-'));
  table = new EntryTable(join(folder, 'cloud.db'));
  steps = [];
  away = new Set();
});
afterEach(async () => {
  for (const life of lives.splice(0)) await life.close();
  table.close();
  rmSync(folder, { recursive: true, force: true });
});

const BIRTH: Birth = {
  ...{
    lifeMs: 60_000,
    secure: true,
    autoPause: false,
    allowPublicTraffic: false,
    maskRequestHost: undefined,
  },
  ...{ metadata: {}, envVars: {}, network: undefined },
};

/** A `Life` over sandboxes and a gate that only note what is asked of them. */
function createLife(): Life & { recover(): Promise<void> } {
  const running = new Set<string>();
  const sandbox = (sandboxId: string) => ({
    exited: new Promise(() => {}),
    async end() {
      running.delete(sandboxId);
      steps.push('end');
    },
    pause: async () => void steps.push('stop'),
    resume: async () => void steps.push('go on'),
  });
  const sandboxes = {
    get: (id: string) => (running.has(id) ? sandbox(id) : undefined),
    async create({ sandboxId }: { sandboxId: string }) {
      steps.push('start');
      running.add(sandboxId);
      return sandbox(sandboxId);
    },
    async recover() {
      steps.push('recover');
      return [];
    },
  } as unknown as Sandboxes;
  const agent = Object.assign(new AgentProgram(undefined), { ready: async () => {} });
  const call = async (name: string, note: string) => {
    if (away.has(name)) throw new SandgateError('API_UNREACHABLE', 'no gate answers');
    steps.push(note);
    return {} as never;
  };
  const policies = new Policies({
    admin: {
      get: () => call('get', 'read policy'),
      put: () => call('put', 'create policy'),
      putPart: (_id, _part, input) => call('putPart', `policy ${(input as { state: string }).state}`),
      delete: () => call('delete', 'delete policy'),
    },
    route: { address: '127.0.0.1', port: 1 },
    trafficToken: () => 'token',
  });
  let count = 0;
  const log = pino({ level: 'silent' });
  const life = new Life({
    ...{ sandboxes, agent, policies, table, log },
    agentToken: () => 'token',
    newId: () => `i${count++}`,
    now: Date.now,
  });
  lives.push(life);
  return Object.assign(life, { recover: () => recover({ sandboxes, policies, table, log }) });
}

describe('the life of a sandbox', () => {
  it('lets nobody in before it runs, and nobody any more before it ends', async () => {
    const life = createLife();
    await life.create(BIRTH);
    await life.pause('i0');
    await life.resume('i0', 1000);
    await life.kill('i0');
    expect(steps).toEqual([
      ...['start', 'create policy', 'policy paused', 'stop', 'go on', 'policy running'],
      ...['delete policy', 'delete policy', 'end'],
    ]);
    expect(table.all()).toEqual([]);
  });

  it('does not begin where its policy could not be written: no sandbox, no policy, no entry', async () => {
    const life = createLife();
    away.add('put');
    await expect(life.create(BIRTH)).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    // A call without an answer may have taken effect.
    expect(steps).toEqual(['start', 'delete policy', 'end']);
    expect([life.all(), table.all()]).toEqual([[], []]);
  });

  it('is not shown, and stays on disk, while its policy cannot be taken back', async () => {
    vi.useFakeTimers();
    try {
      const life = createLife();
      away.add('put').add('delete');
      await expect(life.create(BIRTH)).rejects.toThrow();
      expect([life.get('i0'), table.all().map(({ state }) => state)]).toEqual([undefined, ['ending']]);
      away.clear();
      await vi.advanceTimersByTimeAsync(1000);
      expect([steps.at(-1), table.all()]).toEqual(['delete policy', []]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('goes on where the kill could not reach a gate', async () => {
    const life = createLife();
    await life.create(BIRTH);
    away.add('delete');
    await expect(life.kill('i0')).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    expect([life.get('i0')?.state, steps.includes('end')]).toEqual(['running', false]);
  });

  it('ends by the clock, and again where no gate heard of it', async () => {
    vi.useFakeTimers();
    try {
      const life = createLife();
      await life.create(BIRTH);
      away.add('delete');
      await vi.advanceTimersByTimeAsync(60_000);
      expect(life.get('i0')?.state).toBe('running');
      away.clear();
      await vi.advanceTimersByTimeAsync(1000);
      expect([life.get('i0'), steps.at(-1)]).toEqual([undefined, 'end']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('of a killed predecessor ends with the next start, its policy first', async () => {
    await createLife().create(BIRTH);
    steps = [];
    await createLife().recover();
    expect([steps, table.all()]).toEqual([['delete policy', 'recover'], []]);
  });

  it('has one step at a time', async () => {
    const life = createLife();
    await life.create(BIRTH);
    const results = await Promise.all([
      life.pause('i0'),
      life.pause('i0'),
      life.kill('i0'),
      life.pause('i0'),
    ]);
    expect(results).toEqual([expect.objectContaining({ sandboxId: 'i0' }), false, true, undefined]);
  });
});
