import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RotateRequest } from '../../policy-api/policy-admin.ts';
import type { CommandContext } from '../context.ts';
import { parseDuration } from './duration.ts';
import { describeToken, printMinted } from './token-text.ts';

interface RotateOptions {
  overlap: number;
  id?: string;
}

/** `token rotate <sandboxId> <tokenId>`: prints as `token mint` does, and says when the old token expires. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('rotate')
    .argument('<sandboxId>')
    .argument('<tokenId>', 'see `token list`')
    .description('replace a token, keeping label, ports and incarnation; the new value is printed once')
    .addOption(
      new Option(
        '--overlap <duration>',
        'how long the old token stays valid, up to 30d; 0 revokes it at once',
      )
        .argParser(parseOverlap)
        .makeOptionMandatory(),
    )
    .option('--id <id>', 'id of the new token; default: a generated id')
    .option('--json', 'print the token, its description, the old token and where it is in force')
    .action((sandboxId: string, tokenId: string, { overlap, id }: RotateOptions) =>
      tokenRotate(context, sandboxId, tokenId, {
        overlapSeconds: overlap,
        ...(id !== undefined && { id }),
      }),
    );
}

async function tokenRotate(
  context: CommandContext,
  sandboxId: string,
  tokenId: string,
  request: RotateRequest,
): Promise<void> {
  await context.connect({ reads: true }, async ({ admin, connection }) => {
    const rotated = await admin.rotateToken(sandboxId, tokenId, request);
    const end = rotated.previous?.expiresAt ? `expires at ${rotated.previous.expiresAt}` : 'is revoked';
    printMinted(
      context,
      rotated,
      connection,
      `${describeToken(rotated.info)} replaces ${tokenId}, which ${end}`,
    );
  });
}

const OVERLAP_MAX = 30 * 24 * 3600;

function parseOverlap(text: string): number {
  const seconds = parseDuration(text);
  if (seconds > OVERLAP_MAX) throw new InvalidArgumentError('It must be at most 30 days (30d).');
  return seconds;
}
