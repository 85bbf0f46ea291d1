import type { Command } from 'commander';
import type { TokenInfo } from '../../policy-api/policy-admin.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson, printRow } from '../io.ts';

/** `token list <sandboxId>`: one line per token, or JSON. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('list')
    .argument('<sandboxId>')
    .description('list tokens: id, fingerprint, label, creation, expiry, ports, incarnation')
    .option('--json', 'print them as JSON')
    .action((sandboxId: string) => tokenList(context, sandboxId));
}

async function tokenList(context: CommandContext, sandboxId: string): Promise<void> {
  const { io, json } = context;
  await context.connect({ reads: true }, async ({ admin, connection }) => {
    const tokens = await admin.listTokens(sandboxId);
    if (json) return printJson(io, { tokens, via: connection });
    if (tokens.length === 0) return print(io, 'no tokens');
    for (const token of tokens) printRow(io, row(token));
  });
}

function row({ id, fingerprint, label, createdAt, expiresAt, ports, incarnation }: TokenInfo): string[] {
  return [
    id,
    fingerprint,
    label ?? '-',
    createdAt,
    expiresAt ?? 'no expiry',
    ports === undefined ? 'every port' : `ports ${ports.join(',') || 'none'}`,
    incarnation ?? 'any incarnation',
  ];
}
