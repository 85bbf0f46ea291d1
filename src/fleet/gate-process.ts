import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SandgateError } from '../errors.ts';
import { GATE_NODE_FLAGS } from '../heap.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { removeRun } from '../state/run-file.ts';
import type { Running } from './supervised.ts';

export interface GateProcessOptions {
  stateDir: string;
  /** Of `serve`. */
  flags: readonly string[];
  /** A file descriptor, or this process' own. */
  stderr: number | 'inherit';
  /** How long it may drain when it is stopped; undefined: there is nothing to drain for. */
  graceMs: number | undefined;
  onStart(pid: number): void;
}

export interface GateProcess extends Running {
  readonly pid: number;
  /** Where it really listens, as its ready line says. */
  readonly check: string;
}

const READY_WITHIN_MS = 30_000;

/** Starts `sandgate serve` and waits for its ready line. Throws GATE_FAILED; why, it says on stderr. */
export async function startGateProcess(options: GateProcessOptions): Promise<GateProcess> {
  const { stateDir, flags, stderr, graceMs } = options;
  // Its own process group: a terminal's Ctrl-C goes to its parent alone, which ends its children in order. By the
  // channel it notices when that parent is killed.
  const program = [...GATE_NODE_FLAGS, `${PACKAGE_ROOT}bin/sandgate.js`, 'serve'];
  const child = spawn(process.execPath, [...program, ...flags], {
    stdio: ['ignore', 'pipe', stderr, 'ipc'],
    detached: true,
  });
  const pid = child.pid ?? 0;
  if (pid !== 0) options.onStart(pid);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      // One that was killed could not do it.
      removeRun(stateDir, pid);
      resolve(signal ?? `exit code ${code}`);
    });
    child.once('error', (error) => resolve(error.message));
  });
  const ready = new Promise<{ check: string }>((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const check = /^sandgate ready: Check on (\S+),/.exec(line)?.[1];
      if (check !== undefined) resolve({ check });
    });
  });
  const kill = () => void child.kill('SIGKILL');
  const late = setTimeout(kill, READY_WITHIN_MS);
  const first = await Promise.race([ready, exited]);
  clearTimeout(late);
  if (typeof first === 'string') throw new SandgateError('GATE_FAILED', `a gate did not start (${first})`);
  return {
    pid,
    check: first.check,
    exited,
    async stop() {
      if (graceMs === undefined) kill();
      else child.kill('SIGTERM');
      const cut = setTimeout(kill, graceMs ?? 0);
      await exited;
      clearTimeout(cut);
    },
  };
}
