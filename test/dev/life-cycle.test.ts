import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { checkServedCertificate } from '../../src/doctor/served-certificate.ts';
import { identify, isAlive, type ProcessIdentity } from '../../src/state/process-identity.ts';
import type { DevRun, Run } from '../../src/state/run-file.ts';
import { cleanEnv, runProgram, SANDGATE, sandgate } from '../stack/command.ts';
import { PATIENCE, PATIENCE_MS, SEVERAL_PROCESSES_MS } from '../stack/patience.ts';
import { plainTerminal } from './plain-terminal.ts';

let stateDir: string;
const started: ChildProcess[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'sandgate-dev-'));
});
afterEach(async () => {
  const left = devRun()?.children ?? [];
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  for (const child of left) if (isAlive(child)) process.kill(child.pid, 'SIGKILL');
  rmSync(stateDir, { recursive: true, force: true, maxRetries: 20 });
});

const ANY_PORT = ['--http', '127.0.0.1:0', '--https', '127.0.0.1:0', '--ops', '127.0.0.1:0'];

function devRun(): DevRun | undefined {
  const names = readdirSync(stateDir).includes('run') ? readdirSync(join(stateDir, 'run')) : [];
  return names
    .map((name) => JSON.parse(readFileSync(join(stateDir, 'run', name), 'utf8')) as Run)
    .find((run): run is DevRun => run.kind === 'dev');
}

/** The smallest stack, for the start after the one that a test is about. */
const SMALL = ['--gates', '1', '--cloud', 'off'];

async function startDev(more: readonly string[] = []) {
  const args = [SANDGATE, 'dev', '--state-dir', stateDir, ...ANY_PORT, ...more];
  const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let output = '';
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (/^sandgate ready .*\n/m.test(output)) resolve();
    });
    child.once('exit', () => reject(new Error(output)));
  });
  return { child, exited, output: () => output };
}

const alive = (children: readonly ProcessIdentity[]) => children.filter(isAlive).length;
/** For a stack that was killed or ended at once: each process got a signal, and the system ends it a moment later. */
const gone = (children: readonly ProcessIdentity[]) =>
  vi.waitFor(() => expect(alive(children)).toBe(0), { timeout: PATIENCE_MS });
/** Envoy, two gates, and the local cloud if this machine can run one. */
const partsOf = (output: string) => (output.includes('find a local cloud') ? 4 : 3);

describe('the local stack', { timeout: SEVERAL_PROCESSES_MS }, () => {
  it('prints three commands that really work, and SIGINT ends everything', async () => {
    const dev = await startDev();
    const commands = dev
      .output()
      .match(/^ {4}(echo|curl) .*$/gm)!
      .map((line) => line.trim());
    expect(commands).toHaveLength(3);
    const results = [];
    for (const command of commands)
      results.push((await runProgram(['bash', '-c', command], { env: plainTerminal(stateDir) })).stdout);
    expect(results[0]).toContain('in force at 2 gates');
    expect(results[1]).toContain('HTTP/1.1 403');
    expect(results[2]).toContain('HTTP/1.1 200');
    // The listing shows the request's headers; the answer's own `vary` names the token.
    expect(results[2]!.split('\r\n\r\n')[1]).not.toContain('e2b-traffic-access-token');

    const { children } = devRun()!;
    expect(alive(children)).toBe(partsOf(dev.output()));
    dev.child.kill('SIGINT');
    expect(await dev.exited).toBe(0);
    expect(alive(children)).toBe(0);
    for (const name of ['run', 'policy-api', 'check']) expect(readdirSync(join(stateDir, name))).toEqual([]);
  });

  it('presents a renewed certificate without a restart, and doctor says if it does not', async () => {
    await startDev(SMALL);
    const folder = join(stateDir, 'certificates');
    const file = join(folder, 'server.pem');
    const before = readFileSync(file, 'utf8');
    const [ingress] = devRun()!.https;
    const inUse = () => checkServedCertificate(file, ingress!, 'envoy.log');
    expect(await inUse()).toMatchObject({ level: 'ok' });
    const nextYear = () => Date.now() + 365 * 86_400_000;
    await ensureCertificates(folder, ['e2b.localhost'], nextYear, () => {});
    expect(readFileSync(file, 'utf8')).not.toBe(before);
    await expect.poll(async () => (await inUse()).level, PATIENCE).toBe('ok');

    // The first certificate, without its key.
    writeFileSync(`${file}.new`, before);
    renameSync(`${file}.new`, file);
    const log = () => readFileSync(join(stateDir, 'logs', 'envoy.log'), 'utf8');
    await expect.poll(log, PATIENCE).toContain('KEY_VALUES_MISMATCH');
    const ran = await sandgate(['doctor', '--json', '--state-dir', stateDir, ...ANY_PORT]);
    const findings: Finding[] = JSON.parse(ran.stdout).findings;
    expect(findings).toContainEqual(expect.objectContaining({ check: 'certificate in use', level: 'warn' }));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'server certificate', level: 'fail' }));
  });

  it('refuses to start twice in one state folder; after kill -9, the next start ends what is left and comes up', async () => {
    const first = await startDev();
    const second = await sandgate(['dev', '--state-dir', stateDir, ...ANY_PORT]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`pid ${first.child.pid}`);

    const { children } = devRun()!;
    first.child.kill('SIGKILL');
    await first.exited;
    expect(alive(children)).toBe(partsOf(first.output()));
    const again = await startDev(SMALL);
    expect(alive(children)).toBe(0);
    again.child.kill('SIGTERM');
    expect(await again.exited).toBe(0);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'leaves nothing running if %s comes before Envoy listens',
    async (signal) => {
      const slow = join(stateDir, 'slow-envoy');
      const script =
        '#!/bin/sh\n[ "$1" = --version ] && echo "slow version: x/1.40.0/Clean" && exit\nexec sleep 60\n';
      writeFileSync(slow, script, { mode: 0o755 });
      const args = [SANDGATE, 'dev', '--state-dir', stateDir, '--envoy', slow, ...ANY_PORT];
      const dev = spawn(process.execPath, args, { env: cleanEnv(), stdio: 'ignore' });
      started.push(dev);
      const exited = new Promise<number | null>((resolve) => dev.once('exit', resolve));
      const children = await vi.waitFor(() => {
        const run = devRun();
        expect(run?.children).toHaveLength(1);
        return run!.children;
      }, PATIENCE_MS);
      dev.kill(signal);
      expect(await exited).toBe(signal === 'SIGTERM' ? 0 : null);
      if (signal === 'SIGKILL') {
        const next = await startDev(SMALL);
        next.child.kill('SIGTERM');
        await next.exited;
      }
      expect(alive(children)).toBe(0);
    },
  );

  it('ends what it started if the reader of its output goes away', async () => {
    const command = `"$0" "$@" | true; exit "\${PIPESTATUS[0]}"`;
    const args = ['dev', '--state-dir', stateDir, ...ANY_PORT];
    const ran = await runProgram(['bash', '-c', command, process.execPath, SANDGATE, ...args]);
    expect(ran.code).toBe(0);
    await gone(devRun()?.children ?? []);
  });

  it('has a remedy if it cannot listen for /readyz, and leaves nothing running', async () => {
    const ran = await sandgate([
      'dev',
      '--state-dir',
      stateDir,
      ...ANY_PORT.slice(0, 4),
      '--ops',
      '203.0.113.1:0',
    ]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('[ADDRESS_IN_USE]\nfix: ');
    expect(devRun()).toBeUndefined();
  });

  it('identifies a process by its start time and its pid', () => {
    const self = identify(process.pid)!;
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, started: '1' })).toBe(false);
  });
});
