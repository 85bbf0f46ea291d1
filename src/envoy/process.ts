import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { openLog } from '../folder.ts';
import { connectAdmin, type EnvoyAdmin, type ListenerAddresses } from './admin.ts';

export interface EnvoyOptions {
  binary: string;
  /** A rendered bootstrap. */
  configFile: string;
  /** The admin socket that the bootstrap names. */
  adminSocket: string;
  /** File that Envoy's own log is appended to, so that the log of earlier runs is kept. */
  log: string;
  /** File that the access log is appended to. */
  accessLog: string;
  /** Worker threads. */
  concurrency: number;
  /** Called as soon as the process exists, before it listens. */
  onStart?: ((pid: number) => void) | undefined;
}

export interface EnvoyExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running Envoy with open listeners. */
export interface EnvoyProcess {
  readonly pid: number;
  readonly admin: EnvoyAdmin;
  readonly addresses: ListenerAddresses;
  readonly exited: Promise<EnvoyExit>;
  /** Resolves once a gate is healthy; throws ENVOY_FAILED after `withinMs`, or if Envoy exits. */
  waitForGate(withinMs: number): Promise<void>;
  /** Sends SIGTERM, and SIGKILL after `withinMs`. Resolves when the process has exited. */
  stop(withinMs: number): Promise<void>;
}

const START_WITHIN_MS = 20_000;
const POLL_MS = 20;

/** Starts Envoy and waits until it listens. Throws ADDRESS_IN_USE or ENVOY_FAILED with Envoy's own message. */
export async function startEnvoy(options: EnvoyOptions): Promise<EnvoyProcess> {
  const logStart = logSize(options.log);
  const child = launch(options);
  if (child.pid !== undefined) options.onStart?.(child.pid);
  let hasExited = false;
  const exited = new Promise<EnvoyExit>((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    hasExited = true;
  });

  const admin = connectAdmin(options.adminSocket);
  const until = async (withinMs: number, what: string, reached: () => Promise<boolean>) => {
    const deadline = performance.now() + withinMs;
    for (;;) {
      // Checked first, because another Envoy may answer on the admin socket by now.
      if (hasExited) throw exitError(options.binary, options.log, logStart);
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

/** Validates a config with the real binary. Throws ENVOY_FAILED with its reason. */
export function validateBootstrap(binary: string, configFile: string): void {
  const args = ['--mode', 'validate', '-c', configFile, '--log-level', 'error'];
  const { status, stderr, error } = spawnSync(binary, args, { encoding: 'utf8' });
  if (error) throw envoyFailure(`${binary} cannot be run: ${error.message}`, undefined, error);
  if (status !== 0) throw envoyFailure(`Envoy rejects ${configFile}: ${lastMessage(stderr)}`);
}

function launch({ binary, configFile, log, accessLog, concurrency }: EnvoyOptions): ChildProcess {
  const args = ['-c', configFile, '--concurrency', String(concurrency), '--log-level', 'warn'];
  // Hot restart uses shared memory and a socket whose name a second Envoy would share.
  args.push('--disable-hot-restart');
  // The default, 10 s, is too long for watching the access log.
  args.push('--file-flush-interval-msec', '200');
  const logs = [openLog(accessLog), openLog(log)] as const;
  try {
    // In its own process group, so that Ctrl-C in a terminal does not reach it before we shut it down in order.
    return spawn(binary, args, { stdio: ['ignore', ...logs], detached: true });
  } finally {
    for (const file of logs) closeSync(file);
  }
}

/** Size of a log in bytes: where the lines of the next run begin. */
function logSize(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Why Envoy exited, from its log after byte `from`: ADDRESS_IN_USE or ENVOY_FAILED. */
function exitError(binary: string, logFile: string, from: number): SandgateError {
  const message = lastMessage(readFileSync(logFile).subarray(from).toString());
  if (message === '')
    return envoyFailure(`${binary} exited at once without a message`, 'name another Envoy in SANDGATE_ENVOY');
  const taken = /cannot bind '([^']+)': Address already in use/.exec(message)?.[1];
  if (taken === undefined)
    return envoyFailure(`Envoy exited before it was ready: ${message}`, `see ${logFile}`);
  return new SandgateError('ADDRESS_IN_USE', `Envoy cannot listen on ${taken}: the address is in use`, {
    remedy:
      'stop the process that listens there, or choose other addresses (SANDGATE_HTTP, SANDGATE_HTTPS, and SANDGATE_OPS for a second stack; port 0 is any free port)',
  });
}

/** The message of Envoy's last critical or error line, without its prefix. */
function lastMessage(log: string): string {
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
