import type { Flags } from '../config.ts';
import { flagKey, SETTINGS } from '../settings.ts';

/**
 * The command line of a gate process: what its supervisor was given, but for what is each one's own. The environment
 * it inherits.
 */
export function processFlags(given: Flags, own: Flags): string[] {
  const flags: Flags = { ...given, ...own };
  return SETTINGS.filter(({ commands }) => commands.includes('serve')).flatMap((setting) => {
    const text = flags[flagKey(setting)];
    return text === undefined ? [] : [`${setting.flag.split(' ')[0]}=${text}`];
  });
}
