import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Limits } from '../../../local-cloud/sandbox/sandbox.ts';
import { openCopy } from '../../machine.ts';
import { cleanEnv } from '../../stack/command.ts';
import { run, type Told } from './inside.ts';

/** A sandbox of another process, reached through its socket. */
export interface FarSandbox {
  sandboxId: string;
  bridgeSocket: string;
  agentPort: number;
  pid: number;
  limitedBy: { memory: string; processes: string };
  run(command: string, user?: string): Promise<Told>;
}

export type Cloud = Awaited<ReturnType<typeof startCloud>>;

export function makeState(uid?: number): string {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  if (uid !== undefined) chownSync(stateDir, uid, uid);
  return stateDir;
}

/** `how`: `none` for no isolation, `rlimits` for a machine without cgroups. Runs the build, from the open copy. */
export async function startCloud(
  stateDir: string,
  { uid, how = '' }: { uid?: number | undefined; how?: 'none' | 'rlimits' | '' } = {},
) {
  const { folder, node } = openCopy();
  const child = spawn(node, [join(folder, 'test/local-cloud/stand-in/cloud.mjs'), stateDir, how], {
    cwd: '/',
    env: cleanEnv({ HOME: '/nonexistent' }),
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  const exited = once(child, 'exit');
  const waiting = new Map<number, (line: { value?: unknown; error?: string }) => void>();
  let greet: (greeting: { isolation: string; recovered: string[] }) => void = () => {};
  const greeting = new Promise<{ isolation: string; recovered: string[] }>((resolve, reject) => {
    greet = resolve;
    exited.then(() => reject(new Error('the cloud ended before it was ready')));
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told = JSON.parse(line);
    if (told.n === undefined) greet(told);
    else waiting.get(told.n)?.(told);
  });
  let asked = 0;
  const ask = (command: string, more: object) =>
    new Promise<unknown>((resolve, reject) => {
      const n = asked++;
      waiting.set(n, ({ value, error }) => (error ? reject(new Error(error)) : resolve(value)));
      child.stdin.write(`${JSON.stringify({ n, command, ...more })}\n`);
    });
  const { isolation, recovered } = await greeting;
  return {
    pid: child.pid!,
    isolation,
    recovered,
    async create(
      sandboxId: string,
      more: { limits?: Partial<Limits>; env?: Record<string, string>; input?: string } = {},
    ): Promise<FarSandbox> {
      const made = (await ask('create', { sandboxId, ...more })) as Omit<FarSandbox, 'run' | 'sandboxId'>;
      const sandbox = { sandboxId, ...made };
      return { ...sandbox, run: (command, user) => run(sandbox, command, user) };
    },
    pause: (sandboxId: string) => ask('pause', { sandboxId }),
    resume: (sandboxId: string) => ask('resume', { sandboxId }),
    end: (sandboxId: string) => ask('end', { sandboxId }),
    exited: (sandboxId: string) => ask('exited', { sandboxId }),
    /** Ends it as a user would. */
    async stop() {
      child.stdin.end();
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export const removeState = (stateDir: string) => rm(stateDir, { recursive: true, force: true });
