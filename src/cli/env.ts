import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readSettings, trustFiles } from '../config.ts';
import type { CommandContext } from './context.ts';
import { hostEnvironment } from './host-environment.ts';
import { printJson } from './io.ts';
import { withSettings } from './setting-options.ts';

/** `env`: for `eval "$(sandgate env)"`. Its output contains the API key of the local cloud on purpose. */
export function register(parent: Command, context: CommandContext): void {
  withSettings(parent.command('env'), 'env')
    .option('--json', 'print one JSON object')
    .description("print what E2B's SDKs need to reach the running local cloud; use it with `eval`")
    .action(() => env(context));
}

async function env({ io, json, flags }: CommandContext): Promise<void> {
  const { stateDir } = readSettings('env', flags, hostEnvironment());
  const { clientEnvironment, exportLines } = await import('../dev/client-environment.ts');
  const environment = await clientEnvironment(
    stateDir,
    trustFiles().map(({ file }) => resolve(file)),
  );
  if (json) printJson(io, environment);
  // For a shell, which must get each path as it is.
  else io.stdout.write(`${exportLines(environment)}\n`);
}
