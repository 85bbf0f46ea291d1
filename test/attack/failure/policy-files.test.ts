import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Readiness } from '../../../src/state/readiness.ts';
import { connectCheck } from '../../e2e/check-client.ts';
import { sandgate } from '../../stack/command.ts';
import { type GateProcess, startGateProcess } from '../../stack/gate-process.ts';
import { PATIENCE } from '../../stack/patience.ts';
import { DOMAIN } from '../../stack/test-stack.ts';

const root = mkdtempSync(join(tmpdir(), 'sandgate-bad-files-'));
const stateDir = join(root, 'state');
const folder = join(root, 'policies');
const policy = (id: string) =>
  `sandboxId: ${id}\nruntime: { route: { address: 127.0.0.1 } }\naccess: { allowPublicTraffic: true }\n`;
/** 28,000 keys in 139 KB. */
const hostile = Array.from({ length: 28_000 }, (_, n) => `${n.toString(36)}:`).join('\n');
const flags = { store: 'files', 'policy-dir': folder };

let gate: GateProcess;
let check: ReturnType<typeof connectCheck>;
beforeAll(async () => {
  mkdirSync(folder);
  write('good.yaml', policy('good'));
  write('hostile.yaml', hostile);
  write('invalid.json', '{');
  write('other.yaml', policy('good'));
  write('twice.yaml', policy('twice'));
  write('twice.yml', policy('twice'));
  mkdirSync(join(folder, 'directory.yaml'));
  symlinkSync('nowhere', join(folder, 'dangling.yaml'));
  execFileSync('mkfifo', [join(folder, 'fifo.yaml')]);
  gate = await startGate({});
  check = connectCheck(`unix:${gate.socket}`);
});
afterAll(async () => {
  check?.close();
  await gate?.end();
  rmSync(root, { recursive: true, force: true });
});

const startGate = (more: Record<string, string>) =>
  startGateProcess({
    stateDir,
    socket: join(stateDir, 'check', 'gate.sock'),
    ownListeners: '',
    flags: { ...flags, 'cache-absent': '0.05', ...more },
  });

function write(name: string, text: string): void {
  writeFileSync(join(root, 'next'), text);
  renameSync(join(root, 'next'), join(folder, name));
}

async function readyz({ ops }: GateProcess): Promise<{ status: number } & Readiness> {
  const response = await fetch(`${ops}/readyz`);
  return { status: response.status, ...((await response.json()) as Readiness) };
}
const named = ({ parts }: Readiness) => {
  const { unusable } = parts.store as unknown as { unusable?: { named: { name: string }[] } };
  return unusable?.named.map(({ name }) => name) ?? [];
};
const statusOf = async (id: string) => {
  const checked = await check.check({ host: `8080-${id}.${DOMAIN}` });
  return checked.allowed ? 200 : checked.status;
};
const BAD = ['dangling.yaml', 'directory.yaml', 'fifo.yaml', 'hostile.yaml', 'invalid.json', 'other.yaml'];

describe('E7: bad policy files', () => {
  it('leave the gate ready, which names each of them, counts them, and logs them', async () => {
    const ready = await readyz(gate);
    expect(ready).toMatchObject({ status: 200, ready: true, degraded: true });
    expect(ready.parts.store).toMatchObject({ ok: true, degraded: true, unusable: { count: 8 } });
    expect(named(ready)).toEqual([...BAD, 'twice.yaml', 'twice.yml']);
    const metrics = await (await fetch(`${gate.ops}/metrics`)).text();
    expect(metrics).toMatch(/^sandgate_store_unusable_files\{store="files"\} 8$/m);
    expect(metrics).toMatch(/^sandgate_store_up\{store="files"\} 1$/m);
    for (const name of named(ready)) expect(gate.log()).toContain(`"file":"${name}"`);
  });

  it('make their own sandboxes 503, which is not the answer for an unknown one, and affect no other', async () => {
    for (const id of ['hostile', 'invalid', 'other', 'twice', 'directory', 'dangling', 'fifo'])
      expect(await statusOf(id), id).toBe(503);
    expect(await statusOf('unknown')).toBe(502);
    expect(await statusOf('good')).toBe(200);
  });

  it('are each named by check-config and doctor', async () => {
    const given = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const where = [`--state-dir=${stateDir}`, ...given];
    for (const command of [['check-config', 'serve', '--sandbox-cidrs=127.0.0.0/8'], ['doctor']]) {
      const { stdout } = await sandgate([...command, ...where]);
      for (const name of [...BAD, 'twice.yaml', 'twice.yml']) expect(stdout).toContain(`${name}: `);
    }
  });

  it('E6: keep their last good policy when they become slow to parse, and the gate goes on answering', async () => {
    write('later.yaml', policy('later'));
    await vi.waitFor(async () => expect(await statusOf('later')).toBe(200), PATIENCE);
    write('later.yaml', hostile);
    await vi.waitFor(async () => expect(named(await readyz(gate))).toContain('later.yaml'), PATIENCE);
    expect(await statusOf('later')).toBe(200);
    rmSync(join(folder, 'later.yaml'));
    await vi.waitFor(async () => expect(await statusOf('later')).toBe(502), PATIENCE);
  });

  it('show in the /readyz of a supervisor, which stays ready', async () => {
    const fleet = await startGateProcess({
      stateDir: join(root, 'fleet'),
      socket: join(root, 'fleet', 'check', 'gate.sock'),
      ownListeners: '',
      flags: { ...flags, processes: '2' },
    });
    try {
      const ready = await readyz(fleet);
      expect(ready).toMatchObject({ status: 200, ready: true, degraded: true });
      expect(ready.parts['gate 1']).toMatchObject({
        ok: true,
        degraded: true,
        reason: expect.stringContaining('8 of the policy files cannot be used'),
      });
      expect(named(ready.parts['gate 1'] as unknown as Readiness)).toContain('hostile.yaml');
    } finally {
      fleet.signal('SIGTERM');
      await fleet.exited;
    }
  });

  it('do not hide that the whole folder is gone: not ready, and the last good policies stay', async () => {
    renameSync(folder, join(root, 'away'));
    await vi.waitFor(async () => expect((await readyz(gate)).status).toBe(503), PATIENCE);
    expect((await readyz(gate)).parts.store).toMatchObject({
      ok: false,
      reason: expect.stringContaining('ENOENT'),
    });
    expect(await statusOf('good')).toBe(200);
    renameSync(join(root, 'away'), folder);
    await vi.waitFor(async () => expect((await readyz(gate)).status).toBe(200), PATIENCE);
  });
});
