import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Endpoint, parseAddress } from '#src/address.js';
import { SandgateError } from '#src/errors.js';
import { baseDomains, domainFaults } from '#src/target/domains.js';

/** All paths are absolute. */
export interface CloudSettings {
  readonly stateDir: string;
  /** Where the control plane's API listens. */
  readonly listen: Endpoint;
  /** Where gates offer their policy API; if one is unreachable, the next one is used. */
  readonly policyApis: readonly Endpoint[];
  readonly policyKey: string | undefined;
  /** Patterns of the parent domains of sandbox URLs, as the gates have them. */
  readonly domains: readonly string[];
  /** Domain and port for clients whose request did not come to `api.<domain>`. */
  readonly domain: string;
  /** 0: any free port. */
  readonly nodeProxyPort: number;
  /** The key that the gates send; undefined: one in the state folder, which is made if it is absent. */
  readonly nodeProxyKeyFile: string | undefined;
  /** What a sandbox is whose creator says nothing about `allowPublicTraffic`. */
  readonly defaultAccess: 'public' | 'restricted';
  readonly isolation: boolean;
  /** An agent to run instead of our own. */
  readonly agent: string | undefined;
  readonly logLevel: string;
  readonly searchPath: string;
}

export const USAGE = `Usage: node main.js --state-dir FOLDER --policy-api-url LIST [flags]

The local cloud: an E2B-compatible control plane for development, and the sandboxes themselves.
\`sandgate dev\` starts it. Start it by hand to run it on a machine of its own, next to a gate.

  --state-dir FOLDER   keys, sandboxes and what runs, absolute
  --policy-api-url LIST    policy APIs of gates, unix:<path> or host:port, comma-separated
  --listen ENDPOINT    unix:<path> or host:port [unix:<state-dir>/cloud/api.sock]
  --domains LIST       parent domains of sandbox URLs, as the gates have them [e2b.localhost]
  --domain NAME[:PORT] domain for clients whose Host is not api.<domain> [the first of --domains]
  --node-proxy-port N  port of the node proxy on 127.0.0.1; the gates need it as --node-proxies [any free port]
  --node-proxy-key-file FILE  key that the gates send (their --node-proxy-key-file)
                       [<state-dir>/cloud/node-proxy-key, made on the first start]
  --default-access ACCESS  public or restricted: of sandboxes created without allowPublicTraffic [public]
  --agent PATH         another agent with the interface of E2B's envd
  --no-isolation       run sandboxes without isolation
  --log-level LEVEL    [info]

SANDGATE_CLOUD_POLICY_KEY: key for policy APIs on TCP.
`;

export type Invocation = { kind: 'help' } | { kind: 'run'; settings: CloudSettings };

/** The only reader of this program's flags and environment. Throws SETTINGS_INVALID with one line per fault. */
export function readCloudSettings(args: string[], env: NodeJS.ProcessEnv): Invocation {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const names = {
    'state-dir': text,
    listen: text,
    'policy-api-url': text,
    domains: text,
    domain: text,
    'node-proxy-port': text,
    'node-proxy-key-file': text,
    'default-access': text,
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
  const policyApis = attempt('--policy-api-url', () => endpoints(given?.['policy-api-url'] ?? ''));
  const listen = attempt('--listen', () =>
    endpoint(given?.listen ?? `unix:${join(stateDir ?? '/', 'cloud', 'api.sock')}`),
  );
  const agent = attempt('--agent', () => (given?.agent ? absolute(given.agent) : undefined));
  const nodeProxyPort = attempt('--node-proxy-port', () => port(given?.['node-proxy-port'] ?? '0'));
  const keyFile = given?.['node-proxy-key-file'];
  const nodeProxyKeyFile = attempt('--node-proxy-key-file', () => (keyFile ? absolute(keyFile) : undefined));
  const defaultAccess = attempt('--default-access', () => access(given?.['default-access'] ?? 'public'));
  const domains = list(given?.domains ?? 'e2b.localhost');
  const [first] = baseDomains(domains);
  for (const fault of domainFaults(domains)) faults.push(`--domains: ${fault}`);
  if (first === undefined) faults.push('--domains: names no domain');
  if (
    faults.length > 0 ||
    !stateDir ||
    !policyApis ||
    !listen ||
    !first ||
    !defaultAccess ||
    nodeProxyPort === undefined
  ) {
    throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), { remedy: 'see --help' });
  }
  const settings = {
    ...{ stateDir, listen, policyApis, domains, agent, nodeProxyPort, nodeProxyKeyFile, defaultAccess },
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

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65535) throw new Error('must be 0 to 65535');
  return value;
}

function access(text: string): CloudSettings['defaultAccess'] {
  if (text !== 'public' && text !== 'restricted') throw new Error('must be public or restricted');
  return text;
}

function list(text: string): string[] {
  return text.split(',').filter((item) => item !== '');
}

function endpoints(text: string): CloudSettings['policyApis'] {
  const all = list(text).map(endpoint);
  if (all.length === 0) throw new Error('is empty');
  return all;
}

function endpoint(text: string): Endpoint {
  return text.startsWith('unix:') ? { path: absolute(text.slice('unix:'.length)) } : parseAddress(text);
}
