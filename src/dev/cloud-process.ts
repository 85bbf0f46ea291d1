import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SandgateError } from '../errors.ts';
import type { Running } from '../fleet/supervised.ts';
import { openLog } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Settings } from '../settings.ts';
import { baseDomains } from '../target/domains.ts';
import { lastWords, orSeeLog } from './logged-gate.ts';

export interface CloudProcessOptions {
  settings: Settings;
  /** Unix socket of the control plane's API. */
  socket: string;
  /** Policy APIs of the gates, in the form of `--policy-api-url`. */
  policyApis: readonly string[];
  /** The domain for clients, with its port. */
  domain: string;
  nodeProxyPort: number;
  nodeProxyKeyFile: string;
  logFile: string;
  onStart(pid: number): void;
}

/** Enough to end its sandboxes and delete their policies. */
const STOP_WITHIN_MS = 10_000;

/**
 * Starts the local cloud and waits for its ready line. Throws CLOUD_FAILED with its own last words, or
 * ISOLATION_UNAVAILABLE if this machine cannot isolate sandboxes.
 */
export async function startCloudProcess(options: CloudProcessOptions): Promise<Running> {
  const log = openLog(options.logFile);
  // A process group of its own, like the gates: Ctrl-C reaches only `dev`.
  const child = spawn(process.execPath, [`${PACKAGE_ROOT}dist/local-cloud/main.js`, ...flags(options)], {
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
      if (line.startsWith('local cloud ready')) resolve(true);
    });
  });
  const first = await Promise.race([ready, exited]);
  if (first !== true) {
    const { cause, remedy } = lastWords(options.logFile);
    const isolation = / \[(ISOLATION_UNAVAILABLE)\]$/.exec(cause);
    if (isolation) {
      throw new SandgateError('ISOLATION_UNAVAILABLE', cause.slice(0, isolation.index), {
        ...(remedy !== undefined && { remedy }),
      });
    }
    throw new SandgateError('CLOUD_FAILED', `the local cloud did not start (${first}): ${cause}`, {
      remedy: `${orSeeLog(remedy, options.logFile)}, or leave it out (SANDGATE_CLOUD=off): the gate works without it`,
    });
  }
  return {
    exited,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

function flags(options: CloudProcessOptions): string[] {
  const { settings, socket, policyApis, domain, nodeProxyPort, nodeProxyKeyFile } = options;
  const values = {
    'state-dir': settings.stateDir,
    listen: `unix:${socket}`,
    'policy-api-url': policyApis.join(','),
    domains: settings.domains.join(','),
    domain,
    'node-proxy-port': String(nodeProxyPort),
    'node-proxy-key-file': nodeProxyKeyFile,
    'default-access': settings.publicTraffic === 'refuse' ? 'restricted' : settings.defaultAccess,
    ...(settings.agent !== undefined && { agent: settings.agent }),
    'log-level': settings.logLevel === 'silent' ? 'fatal' : settings.logLevel,
  };
  const given = Object.entries(values).map(([name, value]) => `--${name}=${value}`);
  return settings.isolation ? given : [...given, '--no-isolation'];
}

/** The reason why `dev` runs without a local cloud; undefined if it runs one. */
export function whyNoCloud(settings: Settings, platform: NodeJS.Platform): string | undefined {
  if (!settings.cloud) return 'it is off (SANDGATE_CLOUD)';
  if (platform !== 'linux') return 'it needs Linux';
  if (settings.store === 'files') return 'it writes policies, and `--store files` is read-only';
  if (settings.policyApi === undefined)
    return 'it writes policies through the policy API, which is off (SANDGATE_POLICY_API)';
  if ('host' in settings.policyApi && settings.gates === 1)
    return 'the only policy API is on TCP (SANDGATE_POLICY_API)';
  if (settings.https.length === 0) return "E2B's SDKs need TLS, which is off (SANDGATE_HTTPS)";
  if (baseDomains(settings.domains).length === 0) return 'no domain is named (SANDGATE_DOMAINS)';
  return undefined;
}
