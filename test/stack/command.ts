import { type ChildProcess, spawn } from 'node:child_process';
import { PACKAGE_ROOT } from '../../src/package-root.ts';

/** `bin/sandgate.js`, as a user runs it. It needs `dist/`, which `npm test` builds first. */
export const SANDGATE = `${PACKAGE_ROOT}bin/sandgate.js`;

/** The environment of a child process, without the settings of the user who runs the tests. */
export function cleanEnv(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(SANDGATE_|NODE_OPTIONS$|VITEST)/.test(name));
  return { ...Object.fromEntries(own), ...more };
}

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string | undefined;
  env?: Record<string, string> | undefined;
  /** A command that starts it, such as `setpriv`. */
  wrap?: readonly string[] | undefined;
  /** Working folder; the checkout by default. */
  cwd?: string | undefined;
  onStart?: ((child: ChildProcess) => void) | undefined;
}

/** Runs `sandgate <args>` as a separate process until it exits. */
export function sandgate(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return runProgram([...(options.wrap ?? []), process.execPath, SANDGATE, ...args], options);
}

export function runProgram(command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      cwd: options.cwd ?? PACKAGE_ROOT,
      env: cleanEnv(options.env),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ran: Ran = { code: null, signal: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ran.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ran.stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ ...ran, code, signal }));
    // Some tests expect that it exits before it has read its input.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    options.onStart?.(child);
  });
}
