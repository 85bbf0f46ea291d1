import { SandgateError } from './errors.ts';
import { parseNetworks } from './policy/network.ts';
import {
  type Command,
  fallbackOf,
  flagKey,
  SETTINGS,
  type Setting,
  type Settings,
  type Surroundings,
} from './settings.ts';
import { parseDomains } from './target/domains.ts';

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
      const got = setting.secret ? '' : `, got "${text}"`;
      faults.push(`${setting.env} (${setting.flag.split(' ')[0]}): ${(error as Error).message}${got}`);
    }
  }
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
  return ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'].flatMap((variable) =>
    env[variable] ? [{ variable, file: env[variable] }] : [],
  );
}

/** What the table cannot judge one by one; a setting that could not be read is undefined here. */
function* relations(command: Command, settings: Partial<Settings>): Iterable<string> {
  const { domains = [], sandboxCidrs = [], routing, freshMs = 0, hardMs = freshMs, http, https } = settings;
  yield* refusal('SANDGATE_DOMAINS (--domains)', () => parseDomains(domains));
  yield* refusal('SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs)', () => parseNetworks(sandboxCidrs));
  if (command === 'serve' && routing === 'gate' && sandboxCidrs.length === 0) {
    yield 'SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs): name the networks that your sandboxes live in, such as 10.0.0.0/16';
  }
  if (hardMs < freshMs) yield 'SANDGATE_CACHE_HARD (--cache-hard): must not be below SANDGATE_CACHE_FRESH';
  if (command === 'dev' && http?.length === 0 && https?.length === 0) {
    yield 'SANDGATE_HTTP and SANDGATE_HTTPS: both are off, the stack would have no door';
  }
}

function* refusal(setting: string, parse: () => unknown): Iterable<string> {
  try {
    parse();
  } catch (error) {
    yield `${setting}: ${(error as Error).message}`;
  }
}
