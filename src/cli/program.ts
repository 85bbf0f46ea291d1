import { Command, CommanderError } from 'commander';
import type { Flags } from '../config.ts';
import { type ErrorCode, SandgateError } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { RENAMED } from '../settings.ts';
import { addQuestions } from './diagnose/diagnose-commands.ts';
import { type Io, report } from './io.ts';
import { addPolicyCommands } from './policy/policy-commands.ts';
import { withSettings } from './setting-options.ts';
import { addTokenCommands } from './token/token-commands.ts';

const EXIT_CODES = '\nExit codes: 0 ok, 1 failed, 2 asked wrongly (usage or settings).';

const TOKEN = /[0-9a-f]{64}/i;
const ALL_TOKENS = new RegExp(TOKEN, 'gi');

/** What a command says of an id that it does not know, or takes for none. */
const ABOUT_IDS: readonly ErrorCode[] = ['TOKEN_UNKNOWN', 'SANDBOX_UNKNOWN', 'REQUEST_INVALID'];

/** Runs one command line; resolves with its exit code and never rejects. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const json = args.includes('--json');
  try {
    refuseOldFlags(args);
    await createProgram(io).parseAsync(args as string[], { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its own message by now; help and version come this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return report(io, withTokenHint(error, args), json);
  }
}

/** `--admin` of `envoy config` is another one, and stays. */
function refuseOldFlags(args: readonly string[]): void {
  if (args[0] === 'envoy') return;
  for (const arg of args) {
    const flag = arg.split('=')[0] ?? '';
    if (flag.startsWith('--') && Object.hasOwn(RENAMED, flag)) {
      throw new SandgateError('SETTINGS_INVALID', `${flag} is now ${RENAMED[flag]}`);
    }
  }
}

/**
 * The whole command tree; `docs/cli.md` shows what its `--help` prints. Commands that need gRPC or X.509 are imported when
 * they run: `policy get` need not wait for either.
 */
export function createProgram(io: Io): Command {
  const program = new Command('sandgate')
    .version(packageVersion())
    .description('A door in front of sandbox URLs: decides for Envoy who may reach which sandbox port.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Commander repeats what it does not know, and that may be a token in the wrong place.
      outputError: (text, write) => write(text.replace(/[0-9a-f]{64}/gi, '…')),
    })
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', EXIT_CODES);

  withSettings(program.command('serve'), 'serve')
    .description('run one gate: Check over gRPC for an Envoy of yours')
    .action(async (flags: Flags) => (await import('./serve.ts')).serve(io, flags));

  withSettings(program.command('dev'), 'dev')
    .description('run the local stack: Envoy, gates and the embedded store (what `npm start` does)')
    .action(async (flags: Flags) => (await import('./dev.ts')).dev(io, flags));

  addPolicyCommands(program, io);
  addTokenCommands(program, io);

  withSettings(program.command('env'), 'env')
    .option('--json', 'print one JSON object')
    .description("print what E2B's SDKs need to reach the running local cloud; use it with `eval`")
    .action(async (flags: Flags & { json?: true }) =>
      (await import('./env.ts')).clientEnv(io, flags, flags.json === true),
    );

  const envoy = program.command('envoy').description('the bundled Envoy config');
  envoy
    .command('config')
    .description('print the Envoy config for given addresses')
    .option(
      '--http <list|off>',
      'plain listener, host:port[,host:port]; default 0.0.0.0:8080, off beside --https',
    )
    .option('--https <list|off>', 'TLS listener; needs --tls-certificate and --tls-key', 'off')
    .option('--tls-certificate <file>', 'PEM chain that Envoy reads')
    .option('--tls-key <file>', 'PEM key that Envoy reads')
    .option(
      '--gate <list>',
      'where gates listen: unix:<path> or host:port, comma-separated',
      'unix:/run/sandgate/gate.sock',
    )
    .option(
      '--gate-tls-ca <file>',
      "TLS to gates on TCP: the CA of the gates' certificates; needs --gate-tls-name",
    )
    .option('--gate-tls-name <name>', "the host name or IP address that the gates' certificates carry")
    .option('--gate-tls-certificate <file>', 'PEM chain that Envoy shows the gates; needs --gate-tls-key')
    .option('--gate-tls-key <file>', 'PEM key of that certificate')
    .option('--admin <path>', "unix socket of Envoy's admin interface", '/run/envoy/admin.sock')
    .option(
      '--stats <host:port|off>',
      'where to pass on /stats/prometheus and /ready, and nothing else, of the admin interface',
      'off',
    )
    .action(async (flags: Flags) => (await import('./envoy-config.ts')).envoyConfig(io, flags));

  addQuestions(program, io);
  return program;
}

/** The same error with what to do instead, where an argument holds what looks like a token; it is never repeated. */
function withTokenHint(thrown: unknown, args: readonly string[]): unknown {
  if (!(thrown instanceof SandgateError) || !ABOUT_IDS.includes(thrown.code)) return thrown;
  if (!args.some((arg) => TOKEN.test(arg))) return thrown;
  const { code, message, field } = thrown;
  return new SandgateError(code, message.replace(ALL_TOKENS, '…'), {
    remedy:
      'this looks like a token: give the id that `sandgate token list <sandboxId>` shows, and rotate the token, since every user of this machine can see a command line',
    ...(field !== undefined && { field }),
    cause: thrown,
  });
}
