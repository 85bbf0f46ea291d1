import { resolve } from 'node:path';
import { type Address, type Endpoint, parseAddress } from './address.ts';
import {
  addresses,
  count,
  file,
  keyFault,
  list,
  oneOf,
  onOff,
  parsePlace,
  type Surroundings,
  seconds,
  share,
} from './setting-parsers.ts';

export type { Surroundings };

/**
 * Every setting, in one table: environment variable, flag, default, meaning. `config.ts` reads it.
 */
export interface Settings {
  /** Absolute path. */
  readonly stateDir: string;
  readonly domains: readonly string[];
  readonly routing: 'gate' | 'ingress';
  readonly sandboxCidrs: readonly string[];
  readonly ownListeners: readonly Address[];
  /** Where Check listens: an absolute socket path, or TCP; off this machine only with all three files of `checkTls…`. */
  readonly listen: Endpoint;
  /** Absolute paths of PEM files; all undefined: no TLS. */
  readonly checkTlsCertificate: string | undefined;
  readonly checkTlsKey: string | undefined;
  /** With it, whoever asks must show a certificate of this CA. */
  readonly checkTlsClientCa: string | undefined;
  readonly ops: Address;
  readonly store: 'embedded' | 'files';
  /** Absolute path of the folder that `store: files` reads. */
  readonly policyDir: string;
  readonly freshMs: number;
  readonly hardMs: number;
  readonly absentMs: number;
  readonly drainMs: number;
  readonly logLevel: string;
  /** Share of allows that the decision log writes, 0 to 1. */
  readonly logAllows: number;
  /** Whether `access.shadowUntil` of a policy counts. */
  readonly allowShadow: boolean;
  /** Ingress addresses of `dev`; empty when `off`. */
  readonly http: readonly Address[];
  readonly https: readonly Address[];
  /** An Envoy named by the user. */
  readonly envoy: string | undefined;
  readonly gates: number;
  /** Where the policy API listens; undefined when `off`. In `dev` a path may hold `<n>`, the number of the gate. */
  readonly policyApi: Endpoint | undefined;
  readonly policyApiHosts: readonly string[];
  /** Absolute path of a file with one key a line. */
  readonly policyApiKeysFile: string | undefined;
  readonly policyApiKeys: readonly string[];
  /** The local cloud of `dev`. */
  readonly cloud: boolean;
  readonly isolation: boolean;
  /** Absolute path of an agent to run in sandboxes instead of ours. */
  readonly agent: string | undefined;
  /** A policy API that a command was told to go through. */
  readonly policyApiUrl: Endpoint | undefined;
  /** Absolute path of the file that holds the key for it. */
  readonly policyApiKeyFile: string | undefined;
  readonly policyApiKey: string | undefined;
  /** Gate processes of `serve`; above 1 one more supervises them. */
  readonly processes: number;
  /** PATH, where an `envoy` may be found. */
  readonly searchPath: string;
}

export type Command = 'serve' | 'dev' | 'policy' | 'env';

export interface Setting {
  name: Exclude<keyof Settings, 'searchPath' | Secret['name']>;
  env: string;
  flag: string;
  /** Shown in the help; a function where it depends on the command or the machine. */
  fallback: string | ((command: Command, around: Surroundings) => string);
  meaning: string;
  commands: readonly Command[];
  parse(text: string, around: Surroundings, stateDir: string): unknown;
}

/** A setting that is read from the environment alone: arguments are seen by every user of the machine. */
export interface Secret {
  name: 'policyApiKeys' | 'policyApiKey';
  env: string;
  meaning: string;
  commands: readonly Command[];
  /** What it throws never holds the value. */
  parse(text: string): unknown;
}

const GATE: readonly Command[] = ['serve', 'dev'];
const ALL: readonly Command[] = ['serve', 'dev', 'policy'];

export const SETTINGS: readonly Setting[] = [
  {
    name: 'stateDir',
    env: 'SANDGATE_STATE_DIR',
    flag: '--state-dir <folder>',
    fallback: '.sandgate',
    meaning: 'policies, sockets, certificates, logs and run files',
    commands: [...ALL, 'env'],
    parse: (text, around) => resolve(around.baseDir, text),
  },
  {
    name: 'domains',
    env: 'SANDGATE_DOMAINS',
    flag: '--domains <list>',
    fallback: 'e2b.localhost',
    meaning: 'parent domains of sandbox hosts: `a.b` itself, `*.a.b` with any depth under it, `*` any',
    commands: ALL,
    parse: list,
  },
  {
    name: 'routing',
    env: 'SANDGATE_ROUTING',
    flag: '--routing <gate|ingress>',
    fallback: 'gate',
    meaning: 'gate: an allow names the destination; ingress: your ingress keeps its own routes',
    commands: ['serve', 'policy'],
    parse: oneOf('gate', 'ingress'),
  },
  {
    name: 'sandboxCidrs',
    env: 'SANDGATE_SANDBOX_CIDRS',
    flag: '--sandbox-cidrs <list>',
    fallback: (command) => (command === 'serve' ? '' : '127.0.0.0/8'),
    meaning: 'networks that sandboxes live in; routes elsewhere are refused. `serve` has no default',
    commands: ALL,
    parse: list,
  },
  {
    name: 'ownListeners',
    env: 'SANDGATE_OWN_LISTENERS',
    flag: '--own-listeners <list>',
    fallback: '',
    meaning: 'addresses of the ingress itself, never dialled (a loop otherwise); `dev` fills them in',
    commands: GATE,
    parse: addresses,
  },
  {
    name: 'listen',
    env: 'SANDGATE_LISTEN',
    flag: '--listen <unix:path|host:port>',
    fallback: 'unix:<state>/check/gate.sock',
    meaning: 'where Envoy asks (gRPC): a unix socket, or TCP; other than loopback only with mutual TLS',
    commands: ['serve'],
    parse: parsePlace,
  },
  {
    name: 'checkTlsCertificate',
    env: 'SANDGATE_CHECK_TLS_CERTIFICATE',
    flag: '--check-tls-certificate <file>',
    fallback: '',
    meaning: "TLS on the Check address: the gate's certificate chain, PEM; read again when it changes",
    commands: ['serve'],
    parse: file,
  },
  {
    name: 'checkTlsKey',
    env: 'SANDGATE_CHECK_TLS_KEY',
    flag: '--check-tls-key <file>',
    fallback: '',
    meaning: 'the key of that certificate, PEM, not encrypted',
    commands: ['serve'],
    parse: file,
  },
  {
    name: 'checkTlsClientCa',
    env: 'SANDGATE_CHECK_TLS_CLIENT_CA',
    flag: '--check-tls-client-ca <file>',
    fallback: '',
    meaning: 'mutual TLS: only certificates of this CA may ask, so let it sign nothing but your Envoys',
    commands: ['serve'],
    parse: file,
  },
  {
    name: 'ops',
    env: 'SANDGATE_OPS',
    flag: '--ops <host:port>',
    fallback: '127.0.0.1:9464',
    meaning: '/healthz, /readyz and /metrics; the second gate of `dev` takes the next port',
    commands: GATE,
    parse: (text) => parseAddress(text),
  },
  {
    name: 'store',
    env: 'SANDGATE_STORE',
    flag: '--store <embedded|files>',
    fallback: 'embedded',
    meaning: 'embedded: a SQLite file in the state folder; files: a read-only folder of YAML or JSON',
    commands: ALL,
    parse: oneOf('embedded', 'files'),
  },
  {
    name: 'policyDir',
    env: 'SANDGATE_POLICY_DIR',
    flag: '--policy-dir <folder>',
    fallback: '<state>/policies',
    meaning: 'the folder that `--store files` reads: one <sandboxId>.yaml or .json a sandbox',
    commands: ALL,
    parse: (text, around, stateDir) => resolve(around.baseDir, text.replace('<state>', stateDir)),
  },
  {
    name: 'freshMs',
    env: 'SANDGATE_CACHE_FRESH',
    flag: '--cache-fresh <seconds>',
    fallback: '5',
    meaning:
      'age up to which a cached policy is used without asking the store, since it last said that nothing changed',
    commands: GATE,
    parse: seconds(0.001, 3600),
  },
  {
    name: 'hardMs',
    env: 'SANDGATE_CACHE_HARD',
    flag: '--cache-hard <seconds>',
    fallback: '30',
    meaning: 'age up to which it is used while the store cannot be reached; then 503',
    commands: GATE,
    parse: seconds(0.001, 3600),
  },
  {
    name: 'absentMs',
    env: 'SANDGATE_CACHE_ABSENT',
    flag: '--cache-absent <seconds>',
    fallback: '1',
    meaning: 'age up to which an unknown id is answered without asking the store',
    commands: GATE,
    parse: seconds(0.001, 3600),
  },
  {
    name: 'drainMs',
    env: 'SANDGATE_DRAIN',
    flag: '--drain <seconds>',
    fallback: '3',
    meaning:
      'on SIGTERM: how long the gate says NOT_SERVING before it closes; more than the health check interval',
    commands: GATE,
    parse: seconds(0, 600),
  },
  {
    name: 'logLevel',
    env: 'SANDGATE_LOG_LEVEL',
    flag: '--log-level <level>',
    fallback: 'info',
    meaning: 'fatal, error, warn, info, debug or silent',
    commands: GATE,
    parse: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent'),
  },
  {
    name: 'logAllows',
    env: 'SANDGATE_LOG_ALLOWS',
    flag: '--log-allows <share>',
    fallback: '0',
    meaning: 'share of allows in the decision log, 0 to 1 (0.01: one in a hundred); denials are always in it',
    commands: GATE,
    parse: share,
  },
  {
    name: 'allowShadow',
    env: 'SANDGATE_ALLOW_SHADOW',
    flag: '--allow-shadow <true|false>',
    fallback: 'false',
    meaning:
      'true: until its `access.shadowUntil` a sandbox lets through who has no valid token, and logs it',
    commands: GATE,
    // Not `1`, `yes` or `TRUE`: nobody opens a door by guessing.
    parse: (text) => oneOf('true', 'false')(text) === 'true',
  },
  {
    name: 'http',
    env: 'SANDGATE_HTTP',
    flag: '--http <list|off>',
    fallback: (_command, around) => (around.ipv6Loopback ? '127.0.0.1:3002,[::1]:3002' : '127.0.0.1:3002'),
    meaning: 'plain ingress of the local stack, host:port[,host:port]; port 0: any free one',
    commands: ['dev'],
    parse: addresses,
  },
  {
    name: 'https',
    env: 'SANDGATE_HTTPS',
    flag: '--https <list|off>',
    fallback: (_command, around) => (around.ipv6Loopback ? '127.0.0.1:8443,[::1]:8443' : '127.0.0.1:8443'),
    meaning: 'TLS ingress of the local stack',
    commands: ['dev'],
    parse: addresses,
  },
  {
    name: 'envoy',
    env: 'SANDGATE_ENVOY',
    flag: '--envoy <path>',
    fallback: '',
    meaning: 'the Envoy to run, 1.40.0 or newer; else `envoy` on PATH; else a pinned build is fetched once',
    commands: ['dev'],
    parse: (text) => text || undefined,
  },
  {
    name: 'gates',
    env: 'SANDGATE_GATES',
    flag: '--gates <number>',
    fallback: '2',
    meaning: 'gate processes of the local stack, 1 to 16',
    commands: ['dev'],
    parse: count(16),
  },
  {
    name: 'policyApi',
    env: 'SANDGATE_POLICY_API',
    flag: '--policy-api <unix:path|host:port|off>',
    fallback: (command) => `unix:<state>/policy-api/${command === 'dev' ? 'gate-<n>' : 'policy'}.sock`,
    meaning:
      'where the policy API listens; TCP needs a key (SANDGATE_POLICY_API_KEYS), and in `dev` is for the first gate',
    commands: GATE,
    parse: (text, around, stateDir) => (text === 'off' ? undefined : parsePlace(text, around, stateDir)),
  },
  {
    name: 'policyApiHosts',
    env: 'SANDGATE_POLICY_API_HOSTS',
    flag: '--policy-api-hosts <list>',
    fallback: '',
    meaning: 'host names, with or without a port, that the policy API answers for beside its own address',
    commands: GATE,
    parse: list,
  },
  {
    name: 'policyApiKeysFile',
    env: 'SANDGATE_POLICY_API_KEYS_FILE',
    flag: '--policy-api-keys-file <file>',
    fallback: '',
    meaning: 'keys of the policy API on TCP, one a line, 32 characters or more; several while you rotate',
    commands: GATE,
    parse: file,
  },
  {
    name: 'cloud',
    env: 'SANDGATE_CLOUD',
    flag: '--cloud <on|off>',
    fallback: 'on',
    meaning: "the local cloud: E2B's API at api.<domain>, and sandboxes on this machine; Linux only",
    commands: ['dev'],
    parse: onOff,
  },
  {
    name: 'isolation',
    env: 'SANDGATE_ISOLATION',
    flag: '--isolation <on|off>',
    fallback: 'on',
    meaning: 'keep sandboxes of the local cloud apart by namespaces; off: not at all, they see your files',
    commands: ['dev'],
    parse: onOff,
  },
  {
    name: 'agent',
    env: 'SANDGATE_AGENT',
    flag: '--agent <path>',
    fallback: '',
    meaning: "a program to run in each sandbox in place of ours, with the interface of E2B's envd",
    commands: ['dev'],
    parse: file,
  },
  {
    name: 'policyApiUrl',
    env: 'SANDGATE_POLICY_API_URL',
    flag: '--policy-api-url <unix:path|host:port>',
    fallback: '',
    meaning:
      'the policy API to go through; else that of a gate that runs on the state folder; else straight to the store',
    commands: ['policy'],
    parse: (text, around, stateDir) => (text === '' ? undefined : parsePlace(text, around, stateDir)),
  },
  {
    name: 'policyApiKeyFile',
    env: 'SANDGATE_POLICY_API_KEY_FILE',
    flag: '--policy-api-key-file <file>',
    fallback: '',
    meaning: 'the first line is the key of a policy API on TCP (or set SANDGATE_POLICY_API_KEY)',
    commands: ['policy'],
    parse: file,
  },
  {
    name: 'processes',
    env: 'SANDGATE_PROCESSES',
    flag: '--processes <number>',
    fallback: '1',
    meaning:
      'gate processes, 1 to 64, for as many cores: gate.sock becomes gate-0.sock and so on (TCP: port, port + 1, …), and SIGHUP restarts them one by one',
    commands: ['serve'],
    parse: count(64),
  },
];

export const SECRETS: readonly Secret[] = [
  {
    name: 'policyApiKeys',
    env: 'SANDGATE_POLICY_API_KEYS',
    meaning: 'keys of the policy API on TCP, comma-separated; as in SANDGATE_POLICY_API_KEYS_FILE',
    commands: GATE,
    parse: (text) => {
      const keys = list(text);
      for (const fault of keys.map(keyFault)) if (fault !== undefined) throw new Error(fault);
      return keys;
    },
  },
  {
    name: 'policyApiKey',
    env: 'SANDGATE_POLICY_API_KEY',
    meaning: 'the key that a command shows to a policy API on TCP; as in SANDGATE_POLICY_API_KEY_FILE',
    commands: ['policy'],
    parse: (text) => {
      const fault = text === '' ? undefined : keyFault(text);
      if (fault !== undefined) throw new Error(fault);
      return text || undefined;
    },
  },
];

/** Settings that had another name, by variable and flag: an old one is an error, for it would be ignored in silence. */
export const RENAMED: Readonly<Record<string, string>> = {
  SANDGATE_ADMIN: 'SANDGATE_POLICY_API',
  SANDGATE_ADMIN_HOSTS: 'SANDGATE_POLICY_API_HOSTS',
  SANDGATE_ADMIN_KEYS: 'SANDGATE_POLICY_API_KEYS',
  SANDGATE_ADMIN_KEYS_FILE: 'SANDGATE_POLICY_API_KEYS_FILE',
  SANDGATE_ADMIN_KEY: 'SANDGATE_POLICY_API_KEY',
  SANDGATE_ADMIN_KEY_FILE: 'SANDGATE_POLICY_API_KEY_FILE',
  SANDGATE_API: 'SANDGATE_POLICY_API_URL',
  '--admin': '--policy-api',
  '--admin-hosts': '--policy-api-hosts',
  '--admin-keys-file': '--policy-api-keys-file',
  '--admin-key-file': '--policy-api-key-file',
  '--api': '--policy-api-url',
};

export function flagKey(setting: Setting): string {
  const name = setting.flag.split(' ')[0]!.slice(2);
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

export function fallbackOf(setting: Setting, command: Command, around: Surroundings): string {
  return typeof setting.fallback === 'string' ? setting.fallback : setting.fallback(command, around);
}
