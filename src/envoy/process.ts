import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '../errors.ts';
import { connectAdmin, type EnvoyAdmin, type ListenerAddresses } from './admin.ts';

export interface EnvoyOptions {
  binary: string;
  /** A rendered bootstrap. */
  configFile: string;
  /** The admin socket that the bootstrap names. */
  adminSocket: string;
  /** File that Envoy's own log goes to; emptied first. */
  log: string;
  /** File that the access log goes to; emptied first. */
  accessLog: string;
  /** Worker threads. */
  concurrency: number;
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
  /** SIGTERM, and after `withinMs` SIGKILL. */
  stop(withinMs: number): Promise<void>;
}

const START_WITHIN_MS = 20_000;
const POLL_MS = 20;

/** Starts Envoy and waits until it listens. Throws ADDRESS_IN_USE or ENVOY_FAILED with Envoy's own words. */
export async function startEnvoy(options: EnvoyOptions): Promise<EnvoyProcess> {
  const log = openSync(options.log, 'w', 0o600);
  const accessLog = openSync(options.accessLog, 'w', 0o600);
  const args = [
    '-c',
    options.configFile,
    '--use-dynamic-base-id',
    '--concurrency',
    String(options.concurrency),
  ];
  // A group of its own: a terminal's Ctrl-C goes to whoever started us, who ends Envoy in order.
  const child = spawn(options.binary, [...args, '--log-level', 'warn'], {
    stdio: ['ignore', accessLog, log],
    detached: true,
  });
  closeSync(log);
  closeSync(accessLog);
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
    while (!(await reached().catch(() => false))) {
      if (ended) throw endedEarly(options.log);
      if (performance.now() > deadline) throw failed(`Envoy ${what}`, `see ${options.log}`);
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

/** Lets the real binary judge a config. Throws ENVOY_FAILED with its reason. */
export function validateBootstrap(binary: string, configFile: string): void {
  const args = ['--mode', 'validate', '-c', configFile, '--log-level', 'error'];
  const { status, stderr } = spawnSync(binary, args, { encoding: 'utf8' });
  if (status !== 0) throw failed(`Envoy refuses ${configFile}: ${lastWords(stderr)}`);
}

function endedEarly(logFile: string): SandgateError {
  const words = lastWords(readFileSync(logFile, 'utf8'));
  const taken = /cannot bind '([^']+)'/.exec(words)?.[1];
  if (taken !== undefined) {
    return new SandgateError(
      'ADDRESS_IN_USE',
      `Envoy cannot listen on ${taken}: ${words.split(': ').at(-1)}`,
      {
        remedy:
          'stop what listens there, or choose other addresses (SANDGATE_HTTP, SANDGATE_HTTPS; port 0: any free one)',
      },
    );
  }
  return failed(`Envoy ended before it was ready: ${words}`, `see ${logFile}`);
}

/** Envoy says why on its last critical or error line. */
function lastWords(log: string): string {
  const lines = log.trim().split('\n');
  return (
    lines.findLast((line) => /\[(critical|error)\]|error initializing/i.test(line)) ?? lines.at(-1) ?? ''
  );
}

function failed(message: string, remedy?: string): SandgateError {
  return new SandgateError('ENVOY_FAILED', message, remedy === undefined ? {} : { remedy });
}
