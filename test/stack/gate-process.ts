import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { cleanEnv, SANDGATE } from './command.ts';
import { DOMAIN } from './test-stack.ts';

/** One `sandgate serve`, as a separate process. */
export interface GateProcess {
  readonly pid: number;
  readonly socket: string;
  /** Base URL of /readyz, `http://host:port`. */
  readonly ops: string;
  /** Its log so far. */
  log(): string;
  signal(name: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Sends SIGKILL if it is still running, and waits until it has exited. */
  end(): Promise<void>;
  /** Resident memory in MiB. */
  memory(): number;
}

export interface GateProcessOptions {
  stateDir: string;
  socket: string;
  ownListeners: string;
  /** Further flags of `serve`, such as `{ 'cache-fresh': '1' }`, which take precedence. */
  flags?: Record<string, string> | undefined;
  /** The `bin/sandgate.js` of another version. */
  program?: string | undefined;
  /** A command that starts it with exec, such as `unshare`. */
  wrap?: readonly string[] | undefined;
}

/** Resolves at its ready line; throws with its log if it exits before. */
export async function startGateProcess(options: GateProcessOptions): Promise<GateProcess> {
  const flags = Object.entries({
    'state-dir': options.stateDir,
    listen: `unix:${options.socket}`,
    ops: '127.0.0.1:0',
    domains: DOMAIN,
    'sandbox-cidrs': '127.0.0.0/8',
    'own-listeners': options.ownListeners,
    drain: '1.5',
    'log-level': 'info',
    ...options.flags,
  }).map(([name, value]) => `--${name}=${value}`);
  const program = options.program ?? SANDGATE;
  const [command = '', ...args] = [...(options.wrap ?? []), process.execPath, program, 'serve', ...flags];
  const child = spawn(command, args, { env: cleanEnv(), stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const exited = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0));
  });
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ops = /^sandgate ready: .* ops on (\S+)/.exec(line)?.[1];
      if (ops !== undefined) resolve(ops);
    });
  });
  const first = await Promise.race([ready.then((ops) => ({ ops })), exited.then((how) => ({ how }))]);
  if ('how' in first) throw new Error(`the gate ended before it was ready (${first.how}): ${log}`);
  const pid = child.pid!;
  return {
    pid,
    socket: options.socket,
    ops: first.ops,
    log: () => log,
    signal: (name) => void child.kill(name),
    exited,
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
    memory: () => memoryOf(pid),
  };
}

/** Resident memory of a process in MiB. */
export function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(join('/proc', String(pid), 'status'), 'utf8'))?.[1];
  return Math.round(Number(kib) / 1024);
}
