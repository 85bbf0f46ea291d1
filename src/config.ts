import { SandgateError } from './errors.ts';
import { parseNetworks } from './policy/network.ts';
import { type Command, fallbackOf, flagKey, SETTINGS, type Settings, type Surroundings } from './settings.ts';
import { parseDomains } from './target/domains.ts';

/** Flags as commander names them (`--state-dir` is `stateDir`); an absent one falls back to the environment. */
export type Flags = Readonly<Record<string, string | undefined>>;

/** The only reader of the environment. Throws SETTINGS_INVALID with one line per fault; the result is frozen. */
export function readSettings(
  command: Command,
  flags: Flags,
  around: Surroundings,
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  const faults: string[] = [];
  const values: Record<string, unknown> = { searchPath: env.PATH ?? '' };
  for (const setting of SETTINGS) {
    const given = flags[flagKey(setting)] ?? (env[setting.env] || undefined);
    const text = given ?? fallbackOf(setting, command, around);
    try {
      values[setting.name] = setting.parse(text, around, String(values.stateDir));
    } catch (error) {
      faults.push(
        `${setting.env} (${setting.flag.split(' ')[0]}): ${(error as Error).message}, got "${text}"`,
      );
    }
  }
  const settings = values as unknown as Settings;
  if (faults.length === 0) faults.push(...relations(command, settings));
  if (faults.length > 0) {
    throw new SandgateError('SETTINGS_INVALID', faults.join('\n'), {
      remedy: `see \`sandgate ${command} --help\``,
    });
  }
  return Object.freeze(settings);
}

/** Rules between settings. */
function* relations(command: Command, settings: Settings): Iterable<string> {
  yield* refusal('SANDGATE_DOMAINS (--domains)', () => parseDomains(settings.domains));
  yield* refusal('SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs)', () => parseNetworks(settings.sandboxCidrs));
  if (command !== 'policy' && settings.routing === 'gate' && settings.sandboxCidrs.length === 0) {
    yield 'SANDGATE_SANDBOX_CIDRS (--sandbox-cidrs): name the networks that your sandboxes live in, such as 10.0.0.0/16';
  }
  if (settings.hardMs < settings.freshMs) {
    yield 'SANDGATE_CACHE_HARD (--cache-hard): must not be below SANDGATE_CACHE_FRESH';
  }
  if (command === 'dev' && settings.http.length === 0 && settings.https.length === 0) {
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
