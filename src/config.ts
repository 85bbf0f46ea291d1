import { formatAddress, isLoopback } from './address.ts';
import { SandgateError } from './errors.ts';
import { parseNetworks } from './policy/network.ts';
import {
  type Command,
  fallbackOf,
  flagKey,
  RENAMED,
  SECRETS,
  SETTINGS,
  type Setting,
  type Settings,
  type Surroundings,
} from './settings.ts';
import { domainFaults } from './target/domains.ts';

/** Flags as commander names them (`--state-dir` is `stateDir`); an absent one falls back to the environment. */
export type Flags = Readonly<Record<string, string | undefined>>;

/** One setting as it was found. */
export interface SettingFound {
  setting: Setting;
  /** As written, before it was parsed. */
  text: string;
  from: 'flag' | 'environment' | 'default';
}

/** Every setting of a command and every fault; `settings` where there is none. */
export interface SettingsFound {
  found: readonly SettingFound[];
  faults: readonly string[];
  settings: Settings | undefined;
}

/** The only reader of the environment. Throws SETTINGS_INVALID with one line per fault; the result is frozen. */
export function readSettings(
  command: Command,
  flags: Flags,
  around: Surroundings,
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  const { faults, settings } = findSettings(command, flags, around, env);
  if (settings !== undefined) return settings;
  throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), {
    remedy: `see \`sandgate ${command} --help\``,
  });
}

/** As `readSettings`, but what is wrong is told, not thrown, and so is where each one came from. */
export function findSettings(
  command: Command,
  flags: Flags,
  around: Surroundings,
  env: NodeJS.ProcessEnv = process.env,
): SettingsFound {
  const faults: string[] = [];
  const found: SettingFound[] = [];
  const values: Record<string, unknown> = { searchPath: env.PATH ?? '' };
  for (const setting of SETTINGS) {
    const one = findSetting(setting, command, flags, around, env);
    const { text } = one;
    // A variable that is meant for another command is no fault of this one.
    if (setting.commands.includes(command)) found.push(one);
    try {
      values[setting.name] = setting.parse(text, around, String(values.stateDir));
    } catch (error) {
      const name = `${setting.env} (${setting.flag.split(' ')[0]})`;
      faults.push(`${name}: ${(error as Error).message}, got "${text}"`);
    }
  }
  for (const { name, env: variable, commands, parse } of SECRETS) {
    try {
      values[name] = parse((commands.includes(command) && env[variable]) || '');
    } catch (error) {
      faults.push(`${variable}: ${(error as Error).message}`);
    }
  }
  for (const [old, now] of Object.entries(RENAMED)) if (env[old]) faults.push(`${old} is now ${now}`);
  faults.push(...relations(command, values));
  const settings = faults.length > 0 ? undefined : Object.freeze(values as unknown as Settings);
  return { found, faults, settings };
}

function findSetting(
  setting: Setting,
  command: Command,
  flags: Flags,
  around: Surroundings,
  env: NodeJS.ProcessEnv,
): SettingFound {
  const asked = setting.commands.includes(command);
  const flag = asked ? flags[flagKey(setting)] : undefined;
  if (flag !== undefined) return { setting, text: flag, from: 'flag' };
  const variable = asked ? env[setting.env] : undefined;
  if (variable) return { setting, text: variable, from: 'environment' };
  return { setting, text: fallbackOf(setting, command, around), from: 'default' };
}

/** Files that programs on this machine take their trusted CAs from, where their variables name one. */
export function trustFiles(
  env: NodeJS.ProcessEnv = process.env,
): readonly { variable: string; file: string }[] {
  return ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'].flatMap((variable) =>
    env[variable] ? [{ variable, file: env[variable] }] : [],
  );
}

/** What the table cannot judge one by one; a setting that could not be read is undefined here. */
function* relations(command: Command, settings: Partial<Settings>): Iterable<string> {
  const { domains = [], sandboxCidrs = [], routing, freshMs = 0, hardMs = freshMs } = settings;
  const { http, https, ops, gates = 1 } = settings;
  for (const fault of domainFaults(domains)) yield `SANDGATE_DOMAINS (--domains): ${fault}`;
  yield* refusal('SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs)', () => parseNetworks(sandboxCidrs));
  if (command === 'serve' && routing === 'gate' && sandboxCidrs.length === 0) {
    yield 'SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs): name the networks that your sandboxes live in, such as 10.0.0.0/16';
  }
  if (command === 'serve') yield* checkListener(settings);
  if (hardMs < freshMs) yield 'SANDGATE_CACHE_HARD (--cache-hard): must not be below SANDGATE_CACHE_FRESH';
  if (command === 'dev' && ops && ops.port > 0 && ops.port + gates - 1 > 65535) {
    yield `SANDGATE_OPS (--ops): each of the ${gates} gates takes the next port, and ports end at 65535`;
  }
  if (command === 'serve') yield* processPorts(settings);
  const { policyApi, policyApiKeys, policyApiKeysFile } = settings;
  const onTcp = policyApi !== undefined && 'host' in policyApi;
  // Loopback too: every user of the machine, and every web page that it shows, reaches it.
  if (onTcp && policyApiKeys?.length === 0 && policyApiKeysFile === undefined) {
    yield 'SANDGATE_POLICY_API (--policy-api): the policy API on TCP needs a key; set SANDGATE_POLICY_API_KEYS or SANDGATE_POLICY_API_KEYS_FILE';
  }
  if (command === 'dev' && http?.length === 0 && https?.length === 0) {
    yield 'SANDGATE_HTTP and SANDGATE_HTTPS: both are off, the stack would have no door';
  }
}

const TLS_FILES = {
  checkTlsCertificate: 'SANDGATE_CHECK_TLS_CERTIFICATE (--check-tls-certificate)',
  checkTlsKey: 'SANDGATE_CHECK_TLS_KEY (--check-tls-key)',
  checkTlsClientCa: 'SANDGATE_CHECK_TLS_CLIENT_CA (--check-tls-client-ca)',
} as const;

/** Whoever reaches Check can learn which tokens match, so off this machine it asks who that is. */
function* checkListener(settings: Partial<Settings>): Iterable<string> {
  const { listen } = settings;
  const names = Object.keys(TLS_FILES) as (keyof typeof TLS_FILES)[];
  const given = names.filter((name) => settings[name] !== undefined);
  const missing = names.filter((name) => !given.includes(name)).map((name) => TLS_FILES[name]);
  if (listen === undefined) return;
  if ('path' in listen) {
    for (const name of given) {
      yield `${TLS_FILES[name]}: a unix socket needs no TLS, its folder says who may ask; leave it out, or set SANDGATE_LISTEN to host:port`;
    }
  } else if (!isLoopback(listen)) {
    if (missing.length > 0) {
      yield `SANDGATE_LISTEN (--listen): ${formatAddress(listen)} can be reached from other machines, which needs mutual TLS: set ${missing.join(' and ')}, or listen on a unix socket or a loopback address`;
    }
  } else if (given.length > 0 && !(settings.checkTlsCertificate && settings.checkTlsKey)) {
    const needed = missing.filter((name) => name !== TLS_FILES.checkTlsClientCa);
    yield `${given.map((name) => TLS_FILES[name]).join(' and ')}: set ${needed.join(' and ')} as well`;
  }
}

/** Each process needs a port that Envoy, or a command, can be told of beforehand. */
function* processPorts({ processes = 1, listen, ops }: Partial<Settings>): Iterable<string> {
  if (processes === 1) return;
  if (listen !== undefined && 'host' in listen) {
    if (listen.port === 0) {
      yield 'SANDGATE_LISTEN (--listen): with several processes Envoy has to know their ports: name the first one, or a unix socket';
    } else if (listen.port + processes - 1 > 65535) {
      yield `SANDGATE_LISTEN (--listen): each of the ${processes} processes takes the next port, and ports end at 65535`;
    }
  }
  if (ops && ops.port > 0 && ops.port + processes > 65535) {
    yield `SANDGATE_OPS (--ops): each of the ${processes} processes takes a port above it, and ports end at 65535`;
  }
}

function* refusal(setting: string, parse: () => unknown): Iterable<string> {
  try {
    parse();
  } catch (error) {
    yield `${setting}: ${(error as Error).message}`;
  }
}
