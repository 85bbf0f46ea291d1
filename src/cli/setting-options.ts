import { type Command, Option } from 'commander';
import { type Command as CommandName, fallbackOf, SETTINGS } from '../settings.ts';
import { surroundings } from './surroundings.ts';

/** Adds the settings of a command as options. The environment and the defaults are read later, in one place. */
export function withSettings(command: Command, name: CommandName): Command {
  for (const setting of SETTINGS.filter(({ commands }) => commands.includes(name))) {
    const fallback = fallbackOf(setting, name, surroundings());
    const notes = [`env: ${setting.env}`, ...(fallback ? [`default: ${fallback}`] : [])];
    command.addOption(new Option(setting.flag, `${setting.meaning} (${notes.join(', ')})`));
  }
  return command;
}
