import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { connectAdmin, type EnvoyAdmin, type ListenerAddresses } from './admin.ts';

export interface EnvoyOptions {
  binary: string;
  /** A rendered bootstrap. */
  configFile: string;
  /** The admin socket that the bootstrap names. */
  adminSocket: string;
  /** File that Envoy's own log is appended to: what an earlier run said before it ended stays there. */
  log: string;
  /** File that the access log is appended to. */
  accessLog: string;
  /** Worker threads. */
  concurrency: number;
  /** Called as soon as there is a process, before it listens. */
  onStart?: ((pid: number) => void) | undefined;
}

export interface EnvoyExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running Envoy that listens. */
export interface EnvoyProcess {
  readonly pid: number;
  readonly admin: EnvoyAdmin;
  readonly addresses: ListenerAddresses;
  readonly exited: Promise<EnvoyExit>;
  /** Resolves once one gate is healthy; throws ENVOY_FAILED after `withinMs`, or when Envoy ends. */
  waitForGate(withinMs: number): Promise<void>;
  /** SIGTERM, and after `withinMs` SIGKILL. Resolves when it is gone. */
  stop(withinMs: number): Promise<void>;
}

const START_WITHIN_MS = 20_000;
const POLL_MS = 20;

/** Starts Envoy and waits until it listens. Throws ADDRESS_IN_USE or ENVOY_FAILED with Envoy's own words. */
export async function startEnvoy(options: EnvoyOptions): Promise<EnvoyProcess> {
  const ownLinesFrom = logSize(options.log);
  const child = launch(options);
  if (child.pid !== undefined) options.onStart?.(child.pid);
  let ended = false;
  const exited = new Promise<EnvoyExit>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    ended = true;
  });

  const admin = connectAdmin(options.adminSocket);
  const until = async (withinMs: number, what: string, reached: () => Promise<boolean>) => {
    const deadline = performance.now() + withinMs;
    for (;;) {
      // First, or a socket that another Envoy took over would be believed.
      if (ended) throw whyEnvoyEnded(options.binary, options.log, ownLinesFrom);
      if (await reached().catch(() => false)) return;
      if (performance.now() > deadline) throw envoyFailure(`Envoy ${what}`, `see ${options.log}`);
      await pause(POLL_MS);
    }
  };
  const stop = async (withinMs: number) => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    await exited;
    clearTimeout(timer);
  };

  try {
    await until(START_WITHIN_MS, 'did not start listening', () => admin.isLive());
    const addresses = await admin.listeners();
    return {
      pid: child.pid!,
      admin,
      addresses,
      exited,
      waitForGate: (withinMs) =>
        until(withinMs, 'saw no healthy gate', async () => (await admin.healthyGates()) > 0),
      stop,
    };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

function launch({ binary, configFile, log, accessLog, concurrency }: EnvoyOptions): ChildProcess {
  const args = ['-c', configFile, '--concurrency', String(concurrency), '--log-level', 'warn'];
  // Hot restart would need shared memory and a socket with a number that a second Envoy has too.
  args.push('--disable-hot-restart');
  // The default, 10 s, is long for somebody who watches the access log.
  args.push('--file-flush-interval-msec', '200');
  const logs = [openSync(accessLog, 'a', 0o600), openSync(log, 'a', 0o600)] as const;
  try {
    // A group of its own: a terminal's Ctrl-C goes to whoever started us, who ends Envoy in order.
    return spawn(binary, args, { stdio: ['ignore', ...logs], detached: true });
  } finally {
    for (const file of logs) closeSync(file);
  }
}

/** Lets the real binary judge a config. Throws ENVOY_FAILED with its reason. */
export function validateBootstrap(binary: string, configFile: string): void {
  const args = ['--mode', 'validate', '-c', configFile, '--log-level', 'error'];
  const { status, stderr, error } = spawnSync(binary, args, { encoding: 'utf8' });
  if (error) throw envoyFailure(`${binary} cannot be run: ${error.message}`, undefined, error);
  if (status !== 0) throw envoyFailure(`Envoy refuses ${configFile}: ${lastWords(stderr)}`);
}

/** Bytes in a log so far: where the lines of the run that starts now begin. */
function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** What kept Envoy from starting, read from its log from byte `from` on: ADDRESS_IN_USE or ENVOY_FAILED. */
function whyEnvoyEnded(binary: string, logFile: string, from: number): SandgateError {
  const words = lastWords(readFileSync(logFile).subarray(from).toString());
  if (words === '')
    return envoyFailure(`${binary} ended at once and said nothing`, 'name another in SANDGATE_ENVOY');
  const taken = /cannot bind '([^']+)': Address already in use/.exec(words)?.[1];
  if (taken === undefined) return envoyFailure(`Envoy ended before it was ready: ${words}`, `see ${logFile}`);
  return new SandgateError('ADDRESS_IN_USE', `Envoy cannot listen on ${taken}: the address is in use`, {
    remedy:
      'stop what listens there, or choose other addresses (SANDGATE_HTTP, SANDGATE_HTTPS, and SANDGATE_OPS beside another stack; port 0: any free one)',
  });
}

/** The reason that Envoy gives on its last critical or error line, without the line's own head. */
function lastWords(log: string): string {
  const lines = log.trim().split('\n');
  const line = lines.findLast((text) => /\[(critical|error)\]/.test(text)) ?? lines.at(-1) ?? '';
  const reason = /error `(.*)` initializing config/.exec(line)?.[1];
  return (reason ?? line.replace(/^(\[[^\]]*\]\s*)+/, '')).replace(/\s+/g, ' ');
}

function envoyFailure(message: string, remedy?: string, cause?: unknown): SandgateError {
  return new SandgateError('ENVOY_FAILED', message, {
    ...(remedy !== undefined && { remedy }),
    ...(cause !== undefined && { cause }),
  });
}
