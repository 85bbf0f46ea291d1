import { type Command, Option } from 'commander';
import { type Command as CommandName, fallbackOf, SETTINGS } from '../settings.ts';
import { hostEnvironment } from './host-environment.ts';

/** Heading of the settings in the help of a command; they follow its own options. */
export const SETTINGS_HEADING = 'Settings:';

/** Adds the settings of a command as options. `config.ts` reads the environment and the defaults later. */
export function withSettings(command: Command, name: CommandName): Command {
  for (const setting of SETTINGS) {
    const readers: readonly CommandName[] = setting.commands;
    if (!readers.includes(name)) continue;
    const fallback = fallbackOf(setting, name, hostEnvironment());
    const notes = [`env: ${setting.env}`, ...(fallback ? [`default: ${fallback}`] : [])];
    command.addOption(
      new Option(setting.flag, `${setting.meaning} (${notes.join(', ')})`).helpGroup(SETTINGS_HEADING),
    );
  }
  return command;
}
