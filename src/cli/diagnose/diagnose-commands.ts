import type { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { register as registerCheckConfig } from './check-config.ts';
import { register as registerDoctor } from './doctor.ts';
import { register as registerExplain } from './explain-command.ts';

/** Commands that inspect and change nothing. */
export function addDiagnostics(program: Command, context: CommandContext): void {
  registerExplain(program, context);
  registerCheckConfig(program, context);
  registerDoctor(program, context);
}
