import { type Command, InvalidArgumentError, Option } from 'commander';
import type { MintRequest } from '../../policy-api/policy-admin.ts';
import type { CommandContext } from '../context.ts';
import { parseDuration } from './duration.ts';
import { describeToken, printMinted } from './token-text.ts';

interface MintOptions {
  id?: string;
  label?: string;
  expires?: string;
  ttl?: number;
  port?: number[];
  incarnation?: string;
}

/** `token mint <sandboxId>`: the plaintext alone on stdout, everything else on stderr. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('mint')
    .argument('<sandboxId>')
    .description(
      'make a token; prints the value for `e2b-traffic-access-token` alone, once; it is not stored anywhere',
    )
    .option('--id <id>', 'up to 64 of A-Z, a-z, 0-9, dot, underscore, dash; default: a generated id')
    .option('--label <text>', 'who the token is for; shown in lists and logs')
    .addOption(new Option('--expires <time>', 'RFC 3339, such as 2030-01-31T12:00:00Z').conflicts('ttl'))
    .addOption(
      new Option(
        '--ttl <duration>',
        'instead of --expires: seconds, or a number with s, m, h or d',
      ).argParser(parseTtl),
    )
    .option('--port <number>', 'valid for this port only; may be repeated', collectPort)
    .option('--incarnation <name>', 'valid for this incarnation of the sandbox only')
    .option('--json', 'print the token, its description and where it is in force')
    .addHelpText('after', '\nExample: TOKEN=$(sandgate token mint mysandbox --ttl 2h --label ci)')
    .action((sandboxId: string, options: MintOptions) => tokenMint(context, sandboxId, mintRequest(options)));
}

async function tokenMint(context: CommandContext, sandboxId: string, request: MintRequest): Promise<void> {
  await context.connect({ reads: true }, async ({ admin, connection }) => {
    const minted = await admin.mintToken(sandboxId, request);
    printMinted(context, minted, connection, `minted ${describeToken(minted.info)} for ${sandboxId}`);
  });
}

function mintRequest({ id, label, expires, ttl, port, incarnation }: MintOptions): MintRequest {
  return {
    ...(id !== undefined && { id }),
    ...(label !== undefined && { label }),
    ...(expires !== undefined && { expiresAt: expires }),
    ...(ttl !== undefined && { ttlSeconds: ttl }),
    ...(port !== undefined && { ports: port }),
    ...(incarnation !== undefined && { incarnation }),
  };
}

function parseTtl(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === 0) throw new InvalidArgumentError('It must be at least one second.');
  return seconds;
}

function collectPort(text: string, before: number[] = []): number[] {
  const port = Number(text);
  if (!/^[1-9]\d{0,4}$/.test(text) || port > 65535)
    throw new InvalidArgumentError('It must be a port from 1 to 65535.');
  return [...before, port];
}
