import { resolve } from 'node:path';
import { parseAddress } from './address.ts';
import {
  addresses,
  apiUrl,
  count,
  file,
  type HostEnvironment,
  keyFault,
  list,
  oneOf,
  onOff,
  parseListen,
  seconds,
  share,
} from './setting-parsers.ts';

export type { HostEnvironment };

/** The commands that read settings; `policy` stands for everything under `policy` and `token`, and `explain`. */
export type Command = 'serve' | 'dev' | 'policy' | 'env';

/** One row of the table; the type of its value is what `parse` returns. */
export interface Setting<Name extends string = string, Value = unknown> {
  readonly name: Name;
  readonly env: string;
  readonly flag: string;
  /** Shown in the help; a function if it depends on the command or the machine. */
  readonly fallback: string | ((command: Command, host: HostEnvironment) => string);
  readonly meaning: string;
  readonly commands: readonly Command[];
  parse(text: string, host: HostEnvironment, stateDir: string): Value;
}

/** A setting that is read from the environment only: every user of the machine can see a command line. */
export interface Secret<Name extends string = string, Value = unknown> {
  readonly name: Name;
  readonly env: string;
  readonly meaning: string;
  readonly commands: readonly Command[];
  /** The error it throws never contains the value. */
  parse(text: string): Value;
}

/** Infers the type of the value, and keeps the name as a literal. */
function setting<const Name extends string, Value>(row: Setting<Name, Value>): Setting<Name, Value> {
  return row;
}

function secret<const Name extends string, Value>(row: Secret<Name, Value>): Secret<Name, Value> {
  return row;
}

/** The commands that run gates. */
const GATES = ['serve', 'dev'] as const;
/** Those, and the commands that read or write policies. */
const GATES_AND_POLICY = [...GATES, 'policy'] as const;

/** Every setting: environment variable, flag, default, meaning. `config.ts` reads them in this order. */
export const SETTINGS = [
  setting({
    name: 'stateDir',
    env: 'SANDGATE_STATE_DIR',
    flag: '--state-dir <folder>',
    fallback: '.sandgate',
    meaning: 'policies, sockets, certificates, logs and run files',
    commands: [...GATES_AND_POLICY, 'env'],
    parse: (text, host) => resolve(host.baseDir, text),
  }),
  setting({
    name: 'domains',
    env: 'SANDGATE_DOMAINS',
    flag: '--domains <list>',
    fallback: 'e2b.localhost',
    meaning:
      'parent domains of sandbox hosts: `a.b`, `*.a.b` (`a.b` and its subdomains), or `*` (any domain)',
    commands: GATES_AND_POLICY,
    parse: list,
  }),
  setting({
    name: 'routing',
    env: 'SANDGATE_ROUTING',
    flag: '--routing <gate|ingress>',
    fallback: 'gate',
    meaning:
      'gate: the gate names the destination of each request; ingress: your ingress keeps its own routes',
    commands: ['serve', 'policy'],
    parse: oneOf('gate', 'ingress'),
  }),
  setting({
    name: 'sandboxCidrs',
    env: 'SANDGATE_SANDBOX_CIDRS',
    flag: '--sandbox-cidrs <list>',
    fallback: (command) => (command === 'serve' ? '' : '127.0.0.0/8'),
    meaning: 'networks that contain the sandboxes; other routes are refused; required for `serve`',
    commands: GATES_AND_POLICY,
    parse: list,
  }),
  setting({
    name: 'publicTraffic',
    env: 'SANDGATE_PUBLIC_TRAFFIC',
    flag: '--public-traffic <allow|refuse>',
    fallback: 'allow',
    meaning:
      'refuse: no sandbox is public; a write with `allowPublicTraffic: true` is refused, and a stored policy that has it requires a token',
    commands: GATES_AND_POLICY,
    parse: oneOf('allow', 'refuse'),
  }),
  setting({
    name: 'ownListeners',
    env: 'SANDGATE_OWN_LISTENERS',
    flag: '--own-listeners <list>',
    fallback: '',
    meaning: 'addresses of the ingress itself, which are never dialed, to prevent loops; `dev` sets them',
    commands: GATES,
    parse: addresses,
  }),
  setting({
    name: 'nodeProxies',
    env: 'SANDGATE_NODE_PROXIES',
    flag: '--node-proxies <list>',
    fallback: '',
    meaning:
      'addresses of node proxies: only a route with a port leads there, never the port of a request; `dev` adds its own',
    commands: GATES,
    parse: addresses,
  }),
  setting({
    name: 'nodeProxyKeyFile',
    env: 'SANDGATE_NODE_PROXY_KEY_FILE',
    flag: '--node-proxy-key-file <file>',
    fallback: '',
    meaning:
      'file whose first line, 32 to 512 characters, is sent to node proxies as `x-sandgate-node-proxy-key`, so that they can refuse what did not pass the gate; `dev` makes one',
    commands: ['serve'],
    parse: file,
  }),
  setting({
    name: 'listen',
    env: 'SANDGATE_LISTEN',
    flag: '--listen <unix:path|host:port>',
    fallback: 'unix:<state>/check/gate.sock',
    meaning: 'address of the Check service (gRPC) for Envoy; TCP other than loopback requires mutual TLS',
    commands: ['serve'],
    parse: parseListen,
  }),
  setting({
    name: 'checkTlsCertificate',
    env: 'SANDGATE_CHECK_TLS_CERTIFICATE',
    flag: '--check-tls-certificate <file>',
    fallback: '',
    meaning: "TLS on the Check address: the gate's certificate chain, PEM; reloaded when it changes",
    commands: ['serve'],
    parse: file,
  }),
  setting({
    name: 'checkTlsKey',
    env: 'SANDGATE_CHECK_TLS_KEY',
    flag: '--check-tls-key <file>',
    fallback: '',
    meaning: 'private key of that certificate, PEM, unencrypted',
    commands: ['serve'],
    parse: file,
  }),
  setting({
    name: 'checkTlsClientCa',
    env: 'SANDGATE_CHECK_TLS_CLIENT_CA',
    flag: '--check-tls-client-ca <file>',
    fallback: '',
    meaning:
      'mutual TLS: only clients with a certificate from this CA are accepted; it must sign nothing but your Envoys and gates',
    commands: ['serve'],
    parse: file,
  }),
  setting({
    name: 'ops',
    env: 'SANDGATE_OPS',
    flag: '--ops <host:port>',
    fallback: '127.0.0.1:9464',
    meaning: 'address of /healthz, /readyz and /metrics; each further gate of `dev` takes the next port',
    commands: GATES,
    parse: (text) => parseAddress(text),
  }),
  setting({
    name: 'opsHosts',
    env: 'SANDGATE_OPS_HOSTS',
    flag: '--ops-hosts <list>',
    fallback: '',
    meaning:
      'host names, with or without a port, that this address answers to, besides localhost and any IP address',
    commands: GATES,
    parse: list,
  }),
  setting({
    name: 'store',
    env: 'SANDGATE_STORE',
    flag: '--store <embedded|files>',
    fallback: 'embedded',
    meaning: 'embedded: a SQLite file in the state folder; files: a read-only folder of YAML or JSON files',
    commands: GATES_AND_POLICY,
    parse: oneOf('embedded', 'files'),
  }),
  setting({
    name: 'policyDir',
    env: 'SANDGATE_POLICY_DIR',
    flag: '--policy-dir <folder>',
    fallback: '<state>/policies',
    meaning: 'folder that `--store files` reads, one <sandboxId>.yaml or <sandboxId>.json per sandbox',
    commands: GATES_AND_POLICY,
    parse: (text, host, stateDir) => resolve(host.baseDir, text.replace('<state>', stateDir)),
  }),
  setting({
    name: 'freshMs',
    env: 'SANDGATE_CACHE_FRESH',
    flag: '--cache-fresh <seconds>',
    fallback: '5',
    meaning: 'how long a cached policy is used without asking the store, counted from its last confirmation',
    commands: GATES,
    parse: seconds(0.001, 3600),
  }),
  setting({
    name: 'hardMs',
    env: 'SANDGATE_CACHE_HARD',
    flag: '--cache-hard <seconds>',
    fallback: '30',
    meaning: 'maximum age of a cached policy while the store is unreachable; after that, 503',
    commands: GATES,
    parse: seconds(0.001, 3600),
  }),
  setting({
    name: 'absentMs',
    env: 'SANDGATE_CACHE_ABSENT',
    flag: '--cache-absent <seconds>',
    fallback: '1',
    meaning: 'how long an unknown sandbox id is answered without asking the store',
    commands: GATES,
    parse: seconds(0.001, 3600),
  }),
  setting({
    name: 'drainMs',
    env: 'SANDGATE_DRAIN',
    flag: '--drain <seconds>',
    fallback: '3',
    meaning:
      'on SIGTERM, how long the gate reports NOT_SERVING before it closes; must exceed the health check interval',
    commands: GATES,
    parse: seconds(0, 600),
  }),
  setting({
    name: 'logLevel',
    env: 'SANDGATE_LOG_LEVEL',
    flag: '--log-level <level>',
    fallback: 'info',
    meaning: 'fatal, error, warn, info, debug or silent',
    commands: GATES,
    parse: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'silent'),
  }),
  setting({
    name: 'logAllows',
    env: 'SANDGATE_LOG_ALLOWS',
    flag: '--log-allows <share>',
    fallback: '0',
    meaning:
      'share of allowed requests in the decision log, 0 to 1 (0.01: one in 100); denials are logged in any case, up to 100 a second',
    commands: GATES,
    parse: share,
  }),
  setting({
    name: 'allowShadow',
    env: 'SANDGATE_ALLOW_SHADOW',
    flag: '--allow-shadow <true|false>',
    fallback: 'false',
    meaning: 'true: until `access.shadowUntil`, requests without a valid token are allowed and logged',
    commands: GATES,
    // Not `1`, `yes` or `TRUE`: opening access must be deliberate.
    parse: (text) => oneOf('true', 'false')(text) === 'true',
  }),
  setting({
    name: 'http',
    env: 'SANDGATE_HTTP',
    flag: '--http <list|off>',
    fallback: (_command, host) => (host.ipv6Loopback ? '127.0.0.1:3002,[::1]:3002' : '127.0.0.1:3002'),
    meaning: 'plain HTTP ingress of the local stack, host:port[,host:port]; port 0: any free port',
    commands: ['dev'],
    parse: addresses,
  }),
  setting({
    name: 'https',
    env: 'SANDGATE_HTTPS',
    flag: '--https <list|off>',
    fallback: (_command, host) => (host.ipv6Loopback ? '127.0.0.1:8443,[::1]:8443' : '127.0.0.1:8443'),
    meaning: 'TLS ingress of the local stack',
    commands: ['dev'],
    parse: addresses,
  }),
  setting({
    name: 'envoy',
    env: 'SANDGATE_ENVOY',
    flag: '--envoy <path>',
    fallback: '',
    meaning:
      'Envoy to run, 1.40.0 or newer; default: `envoy` on PATH, else a pinned build is downloaded once',
    commands: ['dev'],
    parse: (text) => text || undefined,
  }),
  setting({
    name: 'maxHeapMib',
    env: 'SANDGATE_MAX_HEAP',
    flag: '--max-heap <MiB>',
    fallback: '1024',
    meaning: 'largest heap of the Envoy of the local stack, 256 to 65536',
    commands: ['dev'],
    parse: count(65_536, 256),
  }),
  setting({
    name: 'gates',
    env: 'SANDGATE_GATES',
    flag: '--gates <number>',
    fallback: '2',
    meaning: 'gate processes of the local stack, 1 to 16',
    commands: ['dev'],
    parse: count(16),
  }),
  setting({
    name: 'policyApi',
    env: 'SANDGATE_POLICY_API',
    flag: '--policy-api <unix:path|host:port|off>',
    fallback: (command) => `unix:<state>/policy-api/${command === 'dev' ? 'gate-<n>' : 'policy'}.sock`,
    meaning:
      'address of the policy API; TCP requires a key (SANDGATE_POLICY_API_KEYS) and, in `dev`, applies to the first gate only',
    commands: GATES,
    parse: (text, host, stateDir) => (text === 'off' ? undefined : parseListen(text, host, stateDir)),
  }),
  setting({
    name: 'policyApiHosts',
    env: 'SANDGATE_POLICY_API_HOSTS',
    flag: '--policy-api-hosts <list>',
    fallback: '',
    meaning: 'additional host names, with or without a port, that the policy API answers to',
    commands: GATES,
    parse: list,
  }),
  setting({
    name: 'policyApiKeysFile',
    env: 'SANDGATE_POLICY_API_KEYS_FILE',
    flag: '--policy-api-keys-file <file>',
    fallback: '',
    meaning: 'keys of the policy API on TCP, one per line, 32 to 512 characters; several during a rotation',
    commands: GATES,
    parse: file,
  }),
  setting({
    name: 'cloud',
    env: 'SANDGATE_CLOUD',
    flag: '--cloud <on|off>',
    fallback: 'on',
    meaning: "the local cloud: E2B's API at api.<domain>, with sandboxes on this machine; Linux only",
    commands: ['dev'],
    parse: onOff,
  }),
  setting({
    name: 'isolation',
    env: 'SANDGATE_ISOLATION',
    flag: '--isolation <on|off>',
    fallback: 'on',
    meaning:
      'on: isolate sandboxes of the local cloud with namespaces; off: no isolation, sandboxes can read your files',
    commands: ['dev'],
    parse: onOff,
  }),
  setting({
    name: 'defaultAccess',
    env: 'SANDGATE_DEFAULT_ACCESS',
    flag: '--default-access <public|restricted>',
    fallback: 'public',
    meaning:
      'what sandboxes of the local cloud are if they are created without `allowPublicTraffic`; with `--public-traffic refuse`, always restricted',
    commands: ['dev'],
    parse: oneOf('public', 'restricted'),
  }),
  setting({
    name: 'agent',
    env: 'SANDGATE_AGENT',
    flag: '--agent <path>',
    fallback: '',
    meaning:
      "program to run in each sandbox instead of the built-in agent; must have the interface of E2B's envd",
    commands: ['dev'],
    parse: file,
  }),
  setting({
    name: 'policyApiUrl',
    env: 'SANDGATE_POLICY_API_URL',
    flag: '--policy-api-url <url>',
    fallback: '',
    meaning:
      'policy API to use: unix:<path>, http://host:port or https://host[:port]; default: the one of a running gate of the state folder, else the store itself',
    commands: ['policy'],
    parse: apiUrl,
  }),
  setting({
    name: 'policyApiCa',
    env: 'SANDGATE_POLICY_API_CA',
    flag: '--policy-api-ca <file>',
    fallback: '',
    meaning:
      'CA certificates, PEM, that the certificate of an https:// policy API must chain to; default: the system roots',
    commands: ['policy'],
    parse: file,
  }),
  setting({
    name: 'policyApiKeyFile',
    env: 'SANDGATE_POLICY_API_KEY_FILE',
    flag: '--policy-api-key-file <file>',
    fallback: '',
    meaning: 'file whose first line is a key of the policy API on TCP (or set SANDGATE_POLICY_API_KEY)',
    commands: ['policy'],
    parse: file,
  }),
  setting({
    name: 'processes',
    env: 'SANDGATE_PROCESSES',
    flag: '--processes <number>',
    fallback: '1',
    meaning:
      'gate processes, 1 to 64, to use several cores; with more than one, gate.sock becomes gate-0.sock and so on (TCP: port, port + 1, …), and SIGHUP restarts them one at a time',
    commands: ['serve'],
    parse: count(64),
  }),
] as const;

export const SECRETS = [
  secret({
    name: 'policyApiKeys',
    env: 'SANDGATE_POLICY_API_KEYS',
    meaning: 'keys of the policy API on TCP, comma-separated; same rules as in SANDGATE_POLICY_API_KEYS_FILE',
    commands: GATES,
    parse: (text) => {
      const keys = list(text);
      for (const fault of keys.map(keyFault)) if (fault !== undefined) throw new Error(fault);
      return keys;
    },
  }),
  secret({
    name: 'policyApiKey',
    env: 'SANDGATE_POLICY_API_KEY',
    meaning: 'key that commands send to a policy API on TCP, ignored if SANDGATE_POLICY_API_KEY_FILE is set',
    commands: ['policy'],
    parse: (text) => {
      const fault = text === '' ? undefined : keyFault(text);
      if (fault !== undefined) throw new Error(fault);
      return text || undefined;
    },
  }),
] as const;

type Row = (typeof SETTINGS)[number] | (typeof SECRETS)[number];

/** The settings of one process, as `config.ts` read them. */
export type Settings = { readonly [R in Row as R['name']]: ReturnType<R['parse']> } & {
  /** PATH, in which an `envoy` may be found. */
  readonly searchPath: string;
};

/**
 * Settings that decide what a policy means and where it is stored. A gate writes them to its run file, and a command
 * on the same state folder uses the values of the gate.
 */
export type SharedSettings = Pick<
  Settings,
  'domains' | 'routing' | 'sandboxCidrs' | 'publicTraffic' | 'store' | 'policyDir'
>;

/** `publicTraffic` is absent from the run file of a gate of an earlier version, which allows it. */
export function sharedSettings(
  from: Omit<SharedSettings, 'publicTraffic'> & Partial<SharedSettings>,
): SharedSettings {
  const { domains, routing, sandboxCidrs, publicTraffic = 'allow', store, policyDir } = from;
  return { domains, routing, sandboxCidrs, publicTraffic, store, policyDir };
}

/** What `dev` and the local cloud print if they run sandboxes without isolation. */
export const NO_ISOLATION_NOTICE =
  'sandboxes are NOT isolated (SANDGATE_ISOLATION=off): their processes can read your files, see each other, and share your ports';

/** Old names of settings, as variables and as flags. Using one is an error, since it would silently have no effect. */
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

export function fallbackOf(setting: Setting, command: Command, host: HostEnvironment): string {
  return typeof setting.fallback === 'string' ? setting.fallback : setting.fallback(command, host);
}
