import { type Command, Option } from 'commander';
import type { Flags } from '../../config.ts';
import type { Io } from '../io.ts';
import { withSettings } from '../setting-options.ts';
import type { ExplainFlags } from './explain-command.ts';

/** Commands that look and change nothing. */
export function addQuestions(program: Command, io: Io): void {
  const lines = (line: string, before: readonly string[] = []) => [...before, line];
  withSettings(program.command('explain'), 'policy')
    .argument('<url>', 'as a client would ask for it, such as http://8080-demo.e2b.localhost:3002/')
    .description('show what the gate decides for a request and why, step by step; sends nothing')
    .option('-H, --header <line>', "a header, 'name: value'; may be given more than once", lines)
    .option('-X, --method <method>', 'the method', 'GET')
    .option('--token-stdin', 'read the traffic access token from standard input')
    .addOption(new Option('--token [value]').hideHelp())
    .option('--json', 'print the explanation as JSON')
    .action(async (url: string, flags: ExplainFlags) =>
      (await import('./explain-command.ts')).explainCommand(io, url, flags),
    );

  const check = program
    .command('check-config')
    .description('check settings, what they name, the store and the Envoy config; starts and makes nothing');
  for (const name of ['serve', 'dev'] as const) {
    withSettings(check.command(name, { isDefault: name === 'serve' }), name)
      .description(`check what \`sandgate ${name}\` would start with, and show where each setting is from`)
      .option('--json', 'print settings, faults and findings as JSON')
      .action(async (flags: Flags & { json?: true }) =>
        (await import('./check-config.ts')).checkConfig(io, name, flags, flags.json === true),
      );
  }

  withSettings(program.command('doctor'), 'dev')
    .description(
      'look at all that the local stack needs of this machine, and say what to do; changes nothing',
    )
    .option('--json', 'print the findings as JSON')
    .action(async (flags: Flags & { json?: true }) =>
      (await import('./doctor.ts')).doctor(io, flags, flags.json === true),
    );
}
