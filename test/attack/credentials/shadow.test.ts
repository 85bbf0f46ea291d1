import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Readiness } from '../../../src/state/readiness.ts';
import { ask } from '../../stack/client.ts';
import { sandgate } from '../../stack/command.ts';
import { sandgateInside } from '../../stack/command-inside.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { type ProcessStack, startProcessStack } from '../../stack/process-stack.ts';
import { restricted } from '../../stack/test-stack.ts';
import { openScene, type Sandbox, type Scene } from '../scene.ts';
import { editStored } from '../stored-record.ts';

const DAY = 24 * 3600 * 1000;
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const shadowed = (leftMs: number) => ({
  access: { ...restricted('any').access, shadowUntil: inMs(leftMs) },
});

async function reasonAt(scene: Scene, { host }: Sandbox): Promise<unknown> {
  const { headers } = await ask(scene.stack.http, { host });
  return headers['x-sandgate-reason'];
}

describe('shadow mode cannot be switched on by a policy alone', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  it('is off in a gate without the setting, which says so and denies', async () => {
    const sandbox = await scene.restricted('wishing', shadowed(DAY));
    expect(await reasonAt(scene, sandbox)).toBe('token_missing');
    expect(scene.arrived()).toBe(0);
    const { host, port } = scene.stack.gate.ops;
    const { parts } = (await (await fetch(`http://${host}:${port}/readyz`)).json()) as Readiness;
    expect(parts.shadow).toEqual({ ok: true, allowed: false, letThrough: 0 });
    expect(scene.stack.logs()).not.toContain('shadow_mode_allowed');
    const run = JSON.parse(readFileSync(join(scene.stack.stateDir, 'run', `${process.pid}.json`), 'utf8'));
    expect(run.allowShadow).toBe(false);
  });
});

describe('shadow mode cannot be switched on by the setting alone', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene({ allowShadow: 'true' });
  });
  afterAll(() => scene?.close());

  it('a sandbox without shadowUntil stays restricted', async () => {
    expect(await reasonAt(scene, await scene.restricted('plain'))).toBe('token_missing');
  });

  it('a time in the past or too far ahead is refused or ignored', async () => {
    expect(await reasonAt(scene, await scene.restricted('late', shadowed(-1000)))).toBe('token_missing');
    await expect(scene.restricted('far', shadowed(7 * DAY + 60_000))).rejects.toMatchObject({
      code: 'POLICY_INVALID',
      field: 'access.shadowUntil',
    });
  });

  it.each([
    ['far ahead', inMs(8 * DAY)],
    ['in the year 9999', '9999-12-31T23:59:59Z'],
  ])('a stored time %s, written past every rule, leaves the sandbox shut', async (_what, shadowUntil) => {
    const sandbox = await scene.restricted(`stored${shadowUntil.slice(0, 4)}`);
    const stored = sandbox.id;
    editStored(scene.stack, stored, (record) => ({
      ...record,
      runtime: { ...record.runtime, state: 'transitioning' },
      access: { ...record.access, shadowUntil },
    }));
    // Answers are meaningful only after the gate has seen the edit.
    await vi.waitFor(
      async () => expect(await reasonAt(scene, sandbox)).toBe('sandbox_transitioning'),
      PATIENCE,
    );
    editStored(scene.stack, stored, (record) => ({
      ...record,
      runtime: { ...record.runtime, state: 'running' },
    }));
    await vi.waitFor(async () => expect(await reasonAt(scene, sandbox)).toBe('token_missing'), PATIENCE);
    expect(scene.arrived()).toBe(0);
  });

  it.each([
    ['true', true],
    ['a number', 4_102_444_800_000],
    ['a time without a zone', '2030-01-01T00:00:00'],
    ['null', null],
  ])('a stored time that is %s makes the record unreadable', async (what, shadowUntil) => {
    const sandbox = await scene.restricted(`odd${what.replace(/[^a-z]/g, '')}`);
    editStored(scene.stack, sandbox.id, (record) => ({
      ...record,
      access: { ...record.access, shadowUntil },
    }));
    await vi.waitFor(async () => expect(await reasonAt(scene, sandbox)).toBe('unavailable'), PATIENCE);
  });
});

describe('shadow mode cannot be switched on by a setting other than true', () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  afterAll(() => rmSync(stateDir, { recursive: true, force: true }));
  const serve = ['serve', '--state-dir', stateDir, '--sandbox-cidrs', '127.0.0.0/8'];
  const refused = {
    code: 2,
    stdout: '',
    stderr: expect.stringContaining('SANDGATE_ALLOW_SHADOW (--allow-shadow): must be one of true, false'),
  };

  it('keeps a gate from starting, as a process with exit code 2', async () => {
    expect(await sandgate(serve, { env: { SANDGATE_ALLOW_SHADOW: '1' } })).toMatchObject(refused);
  });

  it.each(['1', 'yes', 'TRUE', 'on', 'true '])('"%s" keeps a gate from starting', async (value) => {
    expect(await sandgateInside(serve, { env: { SANDGATE_ALLOW_SHADOW: value } })).toMatchObject(refused);
  });
});

describe('a gate process that allows shadow mode', () => {
  let stack: ProcessStack;
  beforeAll(async () => {
    stack = await startProcessStack({ gates: 1, flags: { 'allow-shadow': 'true' } });
  });
  afterAll(() => stack?.stop());

  it('warns at start, on the terminal and in its log, and in commands on the same state folder', () => {
    const [gate] = stack.gates;
    expect(gate!.log()).toContain('sandgate: shadow mode is allowed');
    expect(gate!.log()).toContain('"msg":"shadow_mode_allowed"');
    const run = JSON.parse(readFileSync(join(stack.stateDir, 'run', `${gate!.pid}.json`), 'utf8'));
    expect(run.allowShadow).toBe(true);
  });
});
