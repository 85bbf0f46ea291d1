import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AgentProgram } from '../../../local-cloud/lifecycle/agent-program.ts';
import { type CreateOptions, Lifecycle, recover } from '../../../local-cloud/lifecycle/lifecycle.ts';
import { Policies } from '../../../local-cloud/lifecycle/policies.ts';
import { SandboxTable } from '../../../local-cloud/lifecycle/sandbox-table.ts';
import type { Sandboxes } from '../../../local-cloud/sandbox/sandboxes.ts';
import { SandgateError } from '../../../src/errors.ts';

let folder: string;
let table: SandboxTable;
let steps: string[];
/** Calls of the policy API that reach no gate. */
let away: Set<string>;
const lifecycles: Lifecycle[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sandgate-lifecycle-'));
  table = new SandboxTable(join(folder, 'cloud.db'));
  steps = [];
  away = new Set();
});
afterEach(async () => {
  for (const lifecycle of lifecycles.splice(0)) await lifecycle.close();
  table.close();
  rmSync(folder, { recursive: true, force: true });
});

const OPTIONS: CreateOptions = {
  ...{
    timeoutMs: 60_000,
    secure: true,
    autoPause: false,
    allowPublicTraffic: false,
    maskRequestHost: undefined,
  },
  ...{ metadata: {}, envVars: {}, network: undefined },
};

/** A `Lifecycle` over sandboxes and a gate that only record their calls. */
function createLifecycle(): Lifecycle & { recover(): Promise<void> } {
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
  const lifecycle = new Lifecycle({
    ...{ sandboxes, agent, policies, table, log },
    agentToken: () => 'token',
    newId: () => `i${count++}`,
    now: Date.now,
  });
  lifecycles.push(lifecycle);
  return Object.assign(lifecycle, { recover: () => recover({ sandboxes, policies, table, log }) });
}

describe('the lifecycle of a sandbox', () => {
  it('writes the policy after the sandbox has started, and deletes it before the sandbox ends', async () => {
    const lifecycle = createLifecycle();
    await lifecycle.create(OPTIONS);
    await lifecycle.pause('i0');
    await lifecycle.resume('i0', 1000);
    await lifecycle.kill('i0');
    expect(steps).toEqual([
      ...['start', 'create policy', 'policy paused', 'stop', 'go on', 'policy running'],
      ...['delete policy', 'delete policy', 'end'],
    ]);
    expect(table.all()).toEqual([]);
  });

  it('leaves no sandbox, policy or entry behind if the policy could not be written', async () => {
    const lifecycle = createLifecycle();
    away.add('put');
    await expect(lifecycle.create(OPTIONS)).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    // A call without an answer may have taken effect.
    expect(steps).toEqual(['start', 'delete policy', 'end']);
    expect([lifecycle.all(), table.all()]).toEqual([[], []]);
  });

  it('hides a sandbox, and keeps it on disk, while its policy cannot be deleted', async () => {
    vi.useFakeTimers();
    try {
      const lifecycle = createLifecycle();
      away.add('put').add('delete');
      await expect(lifecycle.create(OPTIONS)).rejects.toThrow();
      expect([lifecycle.get('i0'), table.all().map(({ state }) => state)]).toEqual([undefined, ['ending']]);
      away.clear();
      await vi.advanceTimersByTimeAsync(1000);
      expect([steps.at(-1), table.all()]).toEqual(['delete policy', []]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('keeps a sandbox running if a kill could not reach a gate', async () => {
    const lifecycle = createLifecycle();
    await lifecycle.create(OPTIONS);
    away.add('delete');
    await expect(lifecycle.kill('i0')).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
    expect([lifecycle.get('i0')?.state, steps.includes('end')]).toEqual(['running', false]);
  });

  it('ends a sandbox when its time is over, and tries again if no gate answered', async () => {
    vi.useFakeTimers();
    try {
      const lifecycle = createLifecycle();
      await lifecycle.create(OPTIONS);
      away.add('delete');
      await vi.advanceTimersByTimeAsync(60_000);
      expect(lifecycle.get('i0')?.state).toBe('running');
      away.clear();
      await vi.advanceTimersByTimeAsync(1000);
      expect([lifecycle.get('i0'), steps.at(-1)]).toEqual([undefined, 'end']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends the sandbox of a killed predecessor at the next start, its policy first', async () => {
    await createLifecycle().create(OPTIONS);
    steps = [];
    await createLifecycle().recover();
    expect([steps, table.all()]).toEqual([['delete policy', 'recover'], []]);
  });

  it('runs one operation at a time', async () => {
    const lifecycle = createLifecycle();
    await lifecycle.create(OPTIONS);
    const results = await Promise.all([
      lifecycle.pause('i0'),
      lifecycle.pause('i0'),
      lifecycle.kill('i0'),
      lifecycle.pause('i0'),
    ]);
    expect(results).toEqual([expect.objectContaining({ sandboxId: 'i0' }), false, true, undefined]);
  });
});
