import { formatAddress, isLoopback } from './address.ts';
import { SandgateError } from './errors.ts';
import { parseNetworks } from './policy/network.ts';
import {
  type Command,
  fallbackOf,
  flagKey,
  type HostEnvironment,
  RENAMED,
  SECRETS,
  SETTINGS,
  type Setting,
  type Settings,
} from './settings.ts';
import { domainFaults } from './target/domains.ts';

/** Flags under commander's names (`--state-dir` is `stateDir`); one that is absent is read from the environment. */
export type Flags = Readonly<Record<string, string | undefined>>;

export interface SettingFound {
  setting: Setting;
  /** As written, before parsing. */
  text: string;
  from: 'flag' | 'environment' | 'default';
}

/** The result of reading the settings of a command. */
export interface SettingsFound {
  /** Every setting that the command reads. */
  found: readonly SettingFound[];
  faults: readonly string[];
  /** Undefined if there are faults. */
  settings: Settings | undefined;
}

/** The only reader of the environment. Throws SETTINGS_INVALID with one line per fault; the result is frozen. */
export function readSettings(
  command: Command,
  flags: Flags,
  host: HostEnvironment,
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  const { faults, settings } = findSettings(command, flags, host, env);
  if (settings !== undefined) return settings;
  throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), {
    remedy: `see \`sandgate ${command} --help\``,
  });
}

/** Like `readSettings`, but returns the faults instead of throwing, and says where each setting came from. */
export function findSettings(
  command: Command,
  flags: Flags,
  host: HostEnvironment,
  env: NodeJS.ProcessEnv = process.env,
): SettingsFound {
  const faults: string[] = [];
  const found: SettingFound[] = [];
  const values: Values = { searchPath: env.PATH ?? '' };
  for (const setting of SETTINGS) {
    const one = findSetting(setting, command, flags, host, env);
    // A variable that another command reads is not a fault of this one.
    if (setting.commands.includes(command)) found.push(one);
    try {
      assign(values, setting.name, setting.parse(one.text, host, values.stateDir ?? ''));
    } catch (error) {
      const name = `${setting.env} (${setting.flag.split(' ')[0]})`;
      faults.push(`${name}: ${(error as Error).message}, got "${one.text}"`);
    }
  }
  for (const secret of SECRETS) {
    const text = (secret.commands.includes(command) && env[secret.env]) || '';
    try {
      assign(values, secret.name, secret.parse(text));
    } catch (error) {
      faults.push(`${secret.env}: ${(error as Error).message}`);
    }
  }
  for (const [old, now] of Object.entries(RENAMED)) if (env[old]) faults.push(`${old} is now ${now}`);
  faults.push(...crossChecks(command, values));
  const settings = faults.length === 0 && isComplete(values) ? Object.freeze(values) : undefined;
  return { found, faults, settings };
}

/** The settings read so far. */
type Values = { -readonly [Name in keyof Settings]?: Settings[Name] };

function assign<Name extends keyof Values>(values: Values, name: Name, value: Values[Name]): void {
  values[name] = value;
}

function isComplete(values: Values): values is Settings {
  return [...SETTINGS, ...SECRETS].every(({ name }) => name in values);
}

function findSetting(
  setting: Setting,
  command: Command,
  flags: Flags,
  host: HostEnvironment,
  env: NodeJS.ProcessEnv,
): SettingFound {
  const isRead = setting.commands.includes(command);
  const flag = isRead ? flags[flagKey(setting)] : undefined;
  if (flag !== undefined) return { setting, text: flag, from: 'flag' };
  const variable = isRead ? env[setting.env] : undefined;
  if (variable) return { setting, text: variable, from: 'environment' };
  return { setting, text: fallbackOf(setting, command, host), from: 'default' };
}

/** Files of trusted CAs that the environment names for programs on this machine. */
export function trustFiles(
  env: NodeJS.ProcessEnv = process.env,
): readonly { variable: string; file: string }[] {
  return ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'].flatMap((variable) =>
    env[variable] ? [{ variable, file: env[variable] }] : [],
  );
}

/** Faults that involve more than one setting, or the command. A setting that could not be read is undefined here. */
function* crossChecks(command: Command, settings: Partial<Settings>): Iterable<string> {
  const { domains = [], sandboxCidrs = [], routing, freshMs = 0, hardMs = freshMs } = settings;
  const { http, https, ops, gates = 1 } = settings;
  for (const fault of domainFaults(domains)) yield `SANDGATE_DOMAINS (--domains): ${fault}`;
  yield* refusal('SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs)', () => parseNetworks(sandboxCidrs));
  if (command === 'serve' && routing === 'gate' && sandboxCidrs.length === 0) {
    yield 'SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs): name the networks that contain your sandboxes, such as 10.0.0.0/16';
  }
  if (command === 'serve') yield* checkListener(settings);
  if (routing === 'ingress' && settings.nodeProxyKeyFile !== undefined) {
    yield 'SANDGATE_NODE_PROXY_KEY_FILE (--node-proxy-key-file): has no effect with SANDGATE_ROUTING (--routing) ingress, because the gate does not choose where requests go; remove it';
  }
  if (settings.publicTraffic === 'refuse' && settings.allowShadow === true) {
    yield 'SANDGATE_ALLOW_SHADOW (--allow-shadow): lets requests without a token through, which SANDGATE_PUBLIC_TRAFFIC (--public-traffic) refuses; remove one of them';
  }
  if (hardMs < freshMs)
    yield 'SANDGATE_CACHE_HARD (--cache-hard): must not be less than SANDGATE_CACHE_FRESH';
  if (command === 'dev' && ops && ops.port > 0 && ops.port + gates - 1 > 65535) {
    yield `SANDGATE_OPS (--ops): each of the ${gates} gates takes the next port, which would exceed 65535`;
  }
  if (command === 'serve') yield* processPorts(settings);
  const { policyApi, policyApiKeys, policyApiKeysFile } = settings;
  const onTcp = policyApi !== undefined && 'host' in policyApi;
  // Loopback included: every user of the machine can reach it, and so can any web page in a browser there.
  if (onTcp && policyApiKeys?.length === 0 && policyApiKeysFile === undefined) {
    yield 'SANDGATE_POLICY_API (--policy-api): the policy API on TCP requires a key; set SANDGATE_POLICY_API_KEYS or SANDGATE_POLICY_API_KEYS_FILE';
  }
  const { policyApiUrl, policyApiCa } = settings;
  if (
    policyApiCa !== undefined &&
    policyApiUrl &&
    'host' in policyApiUrl &&
    policyApiUrl.scheme !== 'https'
  ) {
    yield 'SANDGATE_POLICY_API_CA (--policy-api-ca): applies to https:// only, and SANDGATE_POLICY_API_URL (--policy-api-url) is http://';
  }
  if (command === 'dev' && http?.length === 0 && https?.length === 0) {
    yield 'SANDGATE_HTTP and SANDGATE_HTTPS: both are off, so nothing would listen';
  }
}

const TLS_FILES = {
  checkTlsCertificate: 'SANDGATE_CHECK_TLS_CERTIFICATE (--check-tls-certificate)',
  checkTlsKey: 'SANDGATE_CHECK_TLS_KEY (--check-tls-key)',
  checkTlsClientCa: 'SANDGATE_CHECK_TLS_CLIENT_CA (--check-tls-client-ca)',
} as const;

/** A client of Check can learn which tokens match, so clients on other machines must authenticate. */
function* checkListener(settings: Partial<Settings>): Iterable<string> {
  const { listen } = settings;
  const names = Object.keys(TLS_FILES) as (keyof typeof TLS_FILES)[];
  const given = names.filter((name) => settings[name] !== undefined);
  const missing = names.filter((name) => !given.includes(name)).map((name) => TLS_FILES[name]);
  if (listen === undefined) return;
  if ('path' in listen) {
    for (const name of given) {
      yield `${TLS_FILES[name]}: a unix socket needs no TLS, since its folder controls access; remove it, or set SANDGATE_LISTEN to host:port`;
    }
  } else if (!isLoopback(listen)) {
    if (missing.length > 0) {
      yield `SANDGATE_LISTEN (--listen): ${formatAddress(listen)} can be reached from other machines, which requires mutual TLS: set ${missing.join(' and ')}, or listen on a unix socket or a loopback address`;
    }
  } else if (given.length > 0 && !(settings.checkTlsCertificate && settings.checkTlsKey)) {
    const needed = missing.filter((name) => name !== TLS_FILES.checkTlsClientCa);
    yield `${given.map((name) => TLS_FILES[name]).join(' and ')}: set ${needed.join(' and ')} too`;
  }
}

/** The port of each process must be known in advance, to configure Envoy with it. */
function* processPorts({ processes = 1, listen, ops }: Partial<Settings>): Iterable<string> {
  if (processes === 1) return;
  if (listen !== undefined && 'host' in listen) {
    if (listen.port === 0) {
      yield 'SANDGATE_LISTEN (--listen): with several processes Envoy has to know their ports: name the first one, or a unix socket';
    } else if (listen.port + processes - 1 > 65535) {
      yield `SANDGATE_LISTEN (--listen): each of the ${processes} processes takes the next port, which would exceed 65535`;
    }
  }
  if (ops && ops.port > 0 && ops.port + processes > 65535) {
    yield `SANDGATE_OPS (--ops): each of the ${processes} processes takes a port above it, which would exceed 65535`;
  }
}

function* refusal(setting: string, parse: () => unknown): Iterable<string> {
  try {
    parse();
  } catch (error) {
    yield `${setting}: ${(error as Error).message}`;
  }
}
