import { Command, CommanderError } from 'commander';
import { type ErrorCode, SandgateError } from '../errors.ts';
import { packageVersion } from '../package-root.ts';
import { printable } from '../printable.ts';
import { RENAMED } from '../settings.ts';
import { CommandContext } from './context.ts';
import { register as registerDev } from './dev.ts';
import { register as registerCheckConfig } from './diagnose/check-config.ts';
import { register as registerDoctor } from './diagnose/doctor.ts';
import { register as registerExplain } from './diagnose/explain-command.ts';
import { register as registerEnv } from './env.ts';
import { register as registerEnvoyConfig } from './envoy-config.ts';
import { type Io, report } from './io.ts';
import { addPolicyCommands } from './policy/policy-commands.ts';
import { register as registerServe } from './serve.ts';
import { addTokenCommands } from './token/token-commands.ts';

const EXIT_CODES = '\nExit codes: 0 ok, 1 failed, 2 usage or settings error.';

const TOKEN = /[0-9a-f]{64}/i;
const ALL_TOKENS = new RegExp(TOKEN, 'gi');

/** Errors about an id that is unknown or malformed. */
const ABOUT_IDS: readonly ErrorCode[] = ['TOKEN_UNKNOWN', 'SANDBOX_UNKNOWN', 'REQUEST_INVALID'];

/** Runs one command line; resolves to its exit code and never rejects. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const json = args.includes('--json');
  try {
    const known = args.map((arg) => (args[0] === 'serve' && arg === OLD_API_OFF ? '--policy-api=off' : arg));
    refuseOldFlags(known);
    await createProgram(io).parseAsync(known, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has already printed its message; help and version arrive here too.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return report(io, withTokenHint(error, args), json);
  }
}

/**
 * A supervisor of b245ba8 starts each gate with it, and on SIGHUP its gates run the code that is installed now. Without
 * this, its fleet could not be upgraded gate by gate.
 */
const OLD_API_OFF = '--admin=off';

/** Throws SETTINGS_INVALID for the old name of a flag. `--admin` of `envoy config` is a different flag. */
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
 * The command tree. The modules that it imports load neither gRPC nor X.509 nor YAML; a command that needs one imports
 * it when it runs, so that `policy get` starts fast.
 */
export function createProgram(io: Io): Command {
  const program = new Command('sandgate')
    .version(packageVersion())
    .description(
      'Access control for sandbox URLs: decides for Envoy which requests may reach which sandbox port.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(printable(text)),
      writeErr: (text) => io.stderr.write(printable(text)),
      // Commander repeats arguments that it does not know, and one may be a misplaced token.
      outputError: (text, write) => write(text.replace(/[0-9a-f]{64}/gi, '…')),
    })
    .showHelpAfterError('(see --help)')
    .addHelpText('after', EXIT_CODES);

  const context = new CommandContext(io);
  program.hook('preAction', (_program, command) => context.setOptions(command.opts()));

  registerServe(program, context);
  registerDev(program, context);
  addPolicyCommands(program, context);
  addTokenCommands(program, context);
  registerEnv(program, context);
  registerEnvoyConfig(program.command('envoy').description('the bundled Envoy config'), context);
  registerExplain(program, context);
  registerCheckConfig(program, context);
  registerDoctor(program, context);
  return program;
}

/** Explains an error about ids if an argument looks like a token, which the message then does not repeat. */
function withTokenHint(thrown: unknown, args: readonly string[]): unknown {
  if (!(thrown instanceof SandgateError) || !ABOUT_IDS.includes(thrown.code)) return thrown;
  if (!args.some((arg) => TOKEN.test(arg))) return thrown;
  const { code, message, field } = thrown;
  return new SandgateError(code, message.replace(ALL_TOKENS, '…'), {
    remedy:
      'this looks like a token: pass the id that `sandgate token list <sandboxId>` shows instead, and rotate the token, since every user of this machine can see a command line',
    ...(field !== undefined && { field }),
    cause: thrown,
  });
}
