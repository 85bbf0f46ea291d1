import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { withSettings } from '../setting-options.ts';
import { register as registerList } from './token-list.ts';
import { register as registerMint } from './token-mint.ts';
import { register as registerRevoke } from './token-revoke.ts';
import { register as registerRotate } from './token-rotate.ts';

/** `sandgate token …`. */
export function addTokenCommands(program: Command, context: CommandContext): void {
  const token = program.command('token').description('mint, list, revoke and rotate the tokens of a sandbox');
  registerMint(token, context);
  registerList(token, context);
  registerRevoke(token, context);
  registerRotate(token, context);
  for (const command of token.commands) withSettings(command, 'policy');
}
