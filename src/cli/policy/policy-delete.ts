import type { Command } from 'commander';
import { inForceText, warnIfNotInForce } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson } from '../io.ts';

/** `policy delete <sandboxId>`. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('delete')
    .argument('<sandboxId>')
    .description('delete a policy; requests for the sandbox are then answered "not found"')
    .option('--json', 'print what was deleted as JSON')
    .action((sandboxId: string) => policyDelete(context, sandboxId));
}

async function policyDelete(context: CommandContext, sandboxId: string): Promise<void> {
  const { io, json } = context;
  await context.connect({ reads: true }, async ({ admin, connection }) => {
    const deleted = await admin.delete(sandboxId);
    const { gates, inForce } = deleted;
    if (json) printJson(io, { deleted: sandboxId, gates, inForce, via: connection });
    else print(io, `deleted ${sandboxId}: ${inForceText(deleted, connection)}`);
    warnIfNotInForce(io, deleted);
  });
}
