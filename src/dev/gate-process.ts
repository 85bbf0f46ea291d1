import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Address, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { removeRun } from '../server/run-file.ts';
import type { Settings } from '../settings.ts';
import type { Running } from './supervisor.ts';

export interface GateProcessOptions {
  settings: Settings;
  socket: string;
  /** As `--admin` takes it. */
  admin: string;
  ops: Address;
  ownListeners: readonly Address[];
  logFile: string;
  onStart(pid: number): void;
}

/** Starts `sandgate serve` and waits for its ready line. Throws GATE_FAILED with the gate's own last words. */
export async function startGateProcess(options: GateProcessOptions): Promise<Running> {
  const log = openSync(options.logFile, 'a', 0o600);
  // Its own process group: a terminal's Ctrl-C goes to `dev` alone, which ends its children in order.
  const child = spawn(process.execPath, [`${PACKAGE_ROOT}bin/sandgate.js`, 'serve', ...flags(options)], {
    stdio: ['ignore', 'pipe', log],
    detached: true,
  });
  closeSync(log);
  if (child.pid !== undefined) options.onStart(child.pid);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  const ready = new Promise<true>((resolve) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      if (line.startsWith('sandgate ready')) resolve(true);
    });
  });
  const first = await Promise.race([ready, exited]);
  if (first !== true) {
    throw new SandgateError('GATE_FAILED', `a gate did not start (${first}): ${lastLine(options.logFile)}`, {
      remedy: `see ${options.logFile}`,
    });
  }
  return {
    exited,
    async stop() {
      // Envoy is gone by now, so there is nothing to drain for.
      child.kill('SIGKILL');
      await exited;
      removeRun(options.settings.stateDir, child.pid ?? 0);
    },
  };
}

function flags({ settings, socket, admin, ops, ownListeners }: GateProcessOptions): string[] {
  const values: Record<string, string> = {
    'state-dir': settings.stateDir,
    domains: settings.domains.join(','),
    routing: settings.routing,
    'sandbox-cidrs': settings.sandboxCidrs.join(','),
    'own-listeners': ownListeners.map(formatAddress).join(','),
    listen: `unix:${socket}`,
    ops: formatAddress(ops),
    admin,
    'admin-hosts': settings.adminHosts.join(','),
    'admin-keys-file': settings.adminKeysFile ?? '',
    store: settings.store,
    'policy-dir': settings.policyDir,
    'cache-fresh': String(settings.freshMs / 1000),
    'cache-hard': String(settings.hardMs / 1000),
    'cache-absent': String(settings.absentMs / 1000),
    drain: String(settings.drainMs / 1000),
    'log-level': settings.logLevel,
    // A variable that is meant for a `serve` of the user's own must not reach a gate on a socket.
    'check-tls-certificate': '',
    'check-tls-key': '',
    'check-tls-client-ca': '',
  };
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

function lastLine(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.findLast((line) => line.startsWith('sandgate: ')) ?? lines.at(-1) ?? '';
}
