import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { printJson } from '../io.ts';

/** `policy get <sandboxId>`: prints the record as stored; `policy put` accepts the output. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('get')
    .argument('<sandboxId>')
    .description('print one record as JSON, in the form that `policy put -` accepts')
    .option('--json', 'same output, and nothing on standard error')
    .action((sandboxId: string) => policyGet(context, sandboxId));
}

async function policyGet(context: CommandContext, sandboxId: string): Promise<void> {
  await context.connect({ reads: true }, async ({ admin }) =>
    printJson(context.io, await admin.get(sandboxId)),
  );
}
