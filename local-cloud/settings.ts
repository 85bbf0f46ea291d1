import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Endpoint, parseAddress } from '#src/address.js';
import { SandgateError } from '#src/errors.js';

/** Paths are absolute. */
export interface CloudSettings {
  readonly stateDir: string;
  /** Of the control plane's API. */
  readonly listen: Endpoint;
  /** Where gates offer their policy API; the next one is asked where one is away. */
  readonly policyApis: readonly Endpoint[];
  readonly policyKey: string | undefined;
  /** Parent domains of sandbox URLs. */
  readonly domains: readonly string[];
  /** With its port, as clients reach it: told to those who did not ask at `api.<domain>`. */
  readonly domain: string;
  readonly isolation: boolean;
  /** Another agent than ours. */
  readonly agent: string | undefined;
  readonly logLevel: string;
  readonly searchPath: string;
}

export const USAGE = `Usage: node main.js --state-dir FOLDER --policy-api-url LIST [flags]

The local cloud: an E2B-compatible control plane for development, and the sandboxes themselves.
\`sandgate dev\` starts it; by hand it is for a machine of its own beside a gate.

  --state-dir FOLDER   keys, sandboxes and what runs, absolute
  --policy-api-url LIST    policy APIs of gates, unix:<path> or host:port, comma-separated
  --listen PLACE       unix:<path> or host:port [unix:<state-dir>/cloud/api.sock]
  --domains LIST       parent domains of sandbox URLs [e2b.localhost]
  --domain NAME[:PORT] what clients are told where the Host does not say [the first of --domains]
  --agent PATH         another agent with the interface of E2B's envd
  --no-isolation       do not keep sandboxes apart
  --log-level LEVEL    [info]

SANDGATE_CLOUD_POLICY_KEY: key of policy APIs on TCP.
`;

export type Asked = { kind: 'help' } | { kind: 'run'; settings: CloudSettings };

/** The only reader of this program's flags and environment. Throws SETTINGS_INVALID with one line per fault. */
export function readCloudSettings(args: string[], env: NodeJS.ProcessEnv): Asked {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const names = {
    'state-dir': text,
    listen: text,
    'policy-api-url': text,
    domains: text,
    domain: text,
    agent: text,
  };
  const faults: string[] = [];
  const attempt = <T>(name: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const options = { ...names, 'log-level': text, 'no-isolation': flag, help: flag };
  const given = attempt('flags', () => parseArgs({ args, options }).values);
  if (given?.help) return { kind: 'help' };
  const stateDir = attempt('--state-dir', () => absolute(given?.['state-dir']));
  const policyApis = attempt('--policy-api-url', () => places(given?.['policy-api-url'] ?? ''));
  const listen = attempt('--listen', () =>
    place(given?.listen ?? `unix:${join(stateDir ?? '/', 'cloud', 'api.sock')}`),
  );
  const agent = attempt('--agent', () => (given?.agent ? absolute(given.agent) : undefined));
  const domains = list(given?.domains ?? 'e2b.localhost');
  const [first] = domains;
  if (first === undefined) faults.push('--domains: names none');
  if (faults.length > 0 || !stateDir || !policyApis || !listen || !first) {
    throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), { remedy: 'see --help' });
  }
  const settings = {
    ...{ stateDir, listen, policyApis, domains, agent },
    policyKey: env.SANDGATE_CLOUD_POLICY_KEY || undefined,
    domain: given?.domain ?? first,
    isolation: given?.['no-isolation'] !== true,
    logLevel: given?.['log-level'] ?? 'info',
    searchPath: env.PATH ?? '',
  };
  return { kind: 'run', settings: Object.freeze(settings) };
}

function absolute(path: string | undefined): string {
  if (path === undefined || !isAbsolute(path)) throw new Error('must be an absolute path');
  return path;
}

function list(text: string): string[] {
  return text.split(',').filter((item) => item !== '');
}

function places(text: string): CloudSettings['policyApis'] {
  const all = list(text).map(place);
  if (all.length === 0) throw new Error('names none');
  return all;
}

function place(text: string): Endpoint {
  return text.startsWith('unix:') ? { path: absolute(text.slice('unix:'.length)) } : parseAddress(text);
}
