import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Flags } from '../../config.ts';
import type { MintRequest } from '../../policy-api/policy-admin.ts';
import type { Io } from '../io.ts';
import { withSettings } from '../setting-options.ts';
import { tokenList, tokenMint, tokenRevoke, tokenRotate } from './token-operations.ts';

type Given = Flags & { json?: true };

/** `sandgate token …`. */
export function addTokenCommands(program: Command, io: Io): void {
  const token = program.command('token').description('mint, list, revoke and rotate the tokens of a sandbox');
  const command = (name: string) => withSettings(token.command(name), 'policy').argument('<sandboxId>');
  command('mint')
    .description(
      'make a token; the value of `e2b-traffic-access-token` is printed alone, once, and kept nowhere',
    )
    .option('--id <id>', 'up to 64 of A-Z, a-z, 0-9, dot, underscore, dash; else one is made')
    .option('--label <text>', 'who it is for; shown in lists and logs')
    .addOption(new Option('--expires <time>', 'RFC 3339, such as 2030-01-31T12:00:00Z').conflicts('ttl'))
    .addOption(
      new Option('--ttl <duration>', 'instead: seconds, or a number with s, m, h or d').argParser(lifeTime),
    )
    .option('--port <number>', 'only for this port; may be given again', collectPort)
    .option('--incarnation <name>', 'only for this life of the sandbox')
    .option('--json', 'print token, description and how far it is in force')
    .addHelpText('after', '\nExample: TOKEN=$(sandgate token mint mysandbox --ttl 2h --label ci)')
    .action((sandboxId: string, flags: Given) =>
      tokenMint(io, sandboxId, mintRequest(flags), flags, flags.json === true),
    );
  command('list')
    .description('list tokens: id, fingerprint, label, creation, end, ports, incarnation')
    .option('--json', 'print them as JSON')
    .action((sandboxId: string, flags: Given) => tokenList(io, sandboxId, flags, flags.json === true));
  command('revoke')
    .argument('<tokenId>', 'see `token list`')
    .description('end a token for good: as long as the sandbox id exists it does not come back')
    .option('--json', 'print what was revoked as JSON')
    .addHelpText(
      'after',
      '\nNew requests are refused; streams that are open stay until the expiry of the token.',
    )
    .action((sandboxId: string, tokenId: string, flags: Given) =>
      tokenRevoke(io, sandboxId, tokenId, flags, flags.json === true),
    );
  command('rotate')
    .argument('<tokenId>', 'see `token list`')
    .description('make a successor with the same label, ports and incarnation; it is printed alone, once')
    .addOption(
      new Option('--overlap <duration>', 'how long the old one stays good, up to 30d; 0 revokes it at once')
        .argParser(overlap)
        .makeOptionMandatory(),
    )
    .option('--id <id>', 'of the successor; else one is made')
    .option('--json', 'print token, description, the old one and how far it is in force')
    .action((sandboxId: string, tokenId: string, flags: Given) => {
      const { overlap, id } = flags as unknown as { overlap: number; id?: string };
      const request = { overlapSeconds: overlap, ...(id !== undefined && { id }) };
      return tokenRotate(io, sandboxId, tokenId, request, flags, flags.json === true);
    });
}

const OVERLAP_MAX = 30 * 24 * 3600;

function overlap(text: string): number {
  const seconds = parseDuration(text);
  if (seconds > OVERLAP_MAX) throw new InvalidArgumentError('It must be at most 30 days (30d).');
  return seconds;
}

function lifeTime(text: string): number {
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

function mintRequest(flags: Flags): MintRequest {
  const { id, label, expires, ttl, port, incarnation } = flags as unknown as Partial<{
    id: string;
    label: string;
    expires: string;
    ttl: number;
    port: number[];
    incarnation: string;
  }>;
  return {
    ...(id !== undefined && { id }),
    ...(label !== undefined && { label }),
    ...(expires !== undefined && { expiresAt: expires }),
    ...(ttl !== undefined && { ttlSeconds: ttl }),
    ...(port !== undefined && { ports: port }),
    ...(incarnation !== undefined && { incarnation }),
  };
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 24 * 3600 } as const;

/** Reads `90`, `90s`, `5m`, `2h` or `7d` as seconds, 0 included. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError('It must be seconds, or a number with s, m, h or d, such as 2h.');
  return Number(match[1]) * SECONDS[(match[2] || 's') as keyof typeof SECONDS];
}
