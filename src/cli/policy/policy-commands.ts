import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { withSettings } from '../setting-options.ts';
import { register as registerDelete } from './policy-delete.ts';
import { register as registerExport } from './policy-export.ts';
import { register as registerGet } from './policy-get.ts';
import { register as registerImport } from './policy-import.ts';
import { register as registerList } from './policy-list.ts';
import { register as registerPut } from './policy-put.ts';

const CONNECTION =
  '\nUses the policy API of a gate if one runs on the state folder, else the store directly, and says which.';

/** `sandgate policy …`. */
export function addPolicyCommands(program: Command, context: CommandContext): void {
  const policy = program.command('policy').description('read and write policies');
  registerPut(policy, context);
  registerGet(policy, context);
  registerList(policy, context);
  registerDelete(policy, context);
  registerExport(policy, context);
  registerImport(policy, context);
  for (const command of policy.commands) withSettings(command, 'policy').addHelpText('after', CONNECTION);
}
