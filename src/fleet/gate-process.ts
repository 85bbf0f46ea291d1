import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { SandgateError } from '../errors.ts';
import { GATE_NODE_FLAGS } from '../heap.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { removeRun } from '../state/run-file.ts';
import type { Running } from './supervised.ts';

export interface GateProcessOptions {
  stateDir: string;
  /** Flags of `serve`. */
  flags: readonly string[];
  /** A file descriptor, or `inherit` for this process' own stderr. */
  stderr: number | 'inherit';
  /** How long the gate may drain when it is stopped; undefined: kill it, because there is nothing to drain for. */
  graceMs: number | undefined;
  onStart(pid: number): void;
}

export interface GateProcess extends Running {
  readonly pid: number;
  /** Where the gate really listens, from its ready line. */
  readonly check: string;
}

const READY_WITHIN_MS = 30_000;

/** Starts `sandgate serve` and waits for its ready line. Throws GATE_FAILED; the gate's stderr has the reason. */
export async function startGateProcess(options: GateProcessOptions): Promise<GateProcess> {
  const { stateDir, flags, stderr, graceMs } = options;
  // A process group of its own: Ctrl-C in a terminal reaches only the parent, which ends its children in order. The IPC
  // channel tells the gate when its parent is killed.
  const program = [...GATE_NODE_FLAGS, `${PACKAGE_ROOT}bin/sandgate.js`, 'serve'];
  const child = spawn(process.execPath, [...program, ...flags], {
    stdio: ['ignore', 'pipe', stderr, 'ipc'],
    detached: true,
  });
  const pid = child.pid ?? 0;
  if (pid !== 0) options.onStart(pid);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      // A killed gate could not remove its run file.
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
