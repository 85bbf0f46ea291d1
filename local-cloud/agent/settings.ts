import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ListenAddress, parseListenAddress } from './listening.ts';
import { StartInput } from './sandbox-defaults.ts';

export interface AgentSettings {
  listen: ListenAddress;
  bridge: ListenAddress | undefined;
  /** The folder that the sandbox uses as `/`; `/` if the sandbox has a root of its own. */
  root: string;
  /** The home of users that the agent cannot become. */
  home: string;
  /** PATH for commands. */
  path: string;
  start: StartInput;
}

interface Row {
  env: string;
  meaning: string;
}

/** Every setting; a flag overrides its variable. Secrets have no flag, because every user can see a command line. */
const ROWS = {
  listen: { env: 'SANDGATE_AGENT_LISTEN', meaning: 'socket path or host:port [127.0.0.1:49983]' },
  bridge: { env: 'SANDGATE_AGENT_BRIDGE', meaning: 'socket path of the port bridge [none]' },
  root: { env: 'SANDGATE_AGENT_ROOT', meaning: "the sandbox's root folder [/]" },
  home: { env: 'SANDGATE_AGENT_HOME', meaning: 'home of a user the agent cannot become [<root>/home/user]' },
  user: { env: 'SANDGATE_AGENT_USER', meaning: 'the default user [user]' },
} satisfies Record<string, Row>;

const TOKEN = 'SANDGATE_AGENT_ACCESS_TOKEN';
const INIT_KEY = 'SANDGATE_AGENT_INIT_KEY';

export const USAGE = `Usage: node main.js [flags]

Runs inside one sandbox and answers E2B's SDKs as envd does.

${Object.entries(ROWS)
  .map(([name, row]) => `${`  --${name} VALUE`.padEnd(20)}${row.meaning} (${row.env})`)
  .join('\n')}
  --stdin           read {"accessToken","initKey","envVars","defaultUser","defaultWorkdir"} as JSON from standard input
  --open            serve without an access token: for sandboxes whose gate requires one

${TOKEN} and ${INIT_KEY} work too, but processes of the same user can read
the environment in /proc: prefer --stdin.
`;

export type Invocation =
  | { kind: 'run'; settings: AgentSettings }
  | { kind: 'help' }
  | { kind: 'invalid'; faults: string[] };

/** The only reader of this program's flags and environment. `stdin` is called only if `--stdin` is given. */
export async function readAgentSettings(
  args: string[],
  env: NodeJS.ProcessEnv,
  stdin: () => Promise<string>,
): Promise<Invocation> {
  const faults: string[] = [];
  const attempt = <T>(what: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = { listen: text, bridge: text, root: text, home: text, user: text };
  const flags = attempt('flags', () =>
    parseArgs({ args, options: { ...options, stdin: flag, open: flag, help: flag } }),
  );
  if (flags === undefined) return { kind: 'invalid', faults };
  if (flags.values.help) return { kind: 'help' };
  const value = (name: keyof typeof ROWS) => flags.values[name] ?? (env[ROWS[name].env] || undefined);

  const listen = attempt('--listen', () => parseListenAddress(value('listen') ?? '127.0.0.1:49983'));
  const bridge = attempt('--bridge', () => optional(value('bridge'), parseListenAddress));
  const input = flags.values.stdin ? await stdin() : '{}';
  // zod's message names the path and the rule, but never the value.
  const given = attempt('standard input', () => StartInput.parse(parseJson(input)));
  const root = value('root') ?? '/';
  const start: StartInput = {
    ...given,
    accessToken: given?.accessToken ?? (env[TOKEN] || undefined),
    initKey: given?.initKey ?? (env[INIT_KEY] || undefined),
    defaultUser: given?.defaultUser ?? value('user') ?? 'user',
  };
  if (given && !start.accessToken && !flags.values.open) {
    faults.push(`no access token: give one (--stdin, ${TOKEN}), or --open to serve without`);
  }
  if (faults.length > 0 || !listen) return { kind: 'invalid', faults };
  const home = value('home') ?? join(root, 'home', 'user');
  const path = env.PATH || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return { kind: 'run', settings: { listen, bridge, root, home, path, start } };
}

function optional<T>(value: string | undefined, parse: (text: string) => T): T | undefined {
  return value === undefined ? undefined : parse(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which holds the token.
    throw new Error('not JSON');
  }
}
