import { isDeepStrictEqual } from 'node:util';
import { type Flags, findSettings, readSettings } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { type Settings, sharedSettings } from '../settings.ts';
import { type GateRun, liveGates } from '../state/run-file.ts';
import { hostEnvironment } from './host-environment.ts';

/** The settings of a command, and the gates that run on its state folder, whose shared settings apply. */
export interface SettingsBesideGates {
  settings: Settings;
  gates: readonly GateRun[];
}

/**
 * A command must accept exactly what the gates accept, so their settings replace the command's defaults. A flag or
 * variable that contradicts them is refused, since either one might be the mistake. Throws SETTINGS_INVALID.
 */
export function settingsBesideGates(flags: Flags): SettingsBesideGates {
  const named = readSettings('policy', flags, hostEnvironment());
  const gates = liveGates(named.stateDir);
  const [gate] = gates;
  if (gate === undefined) return { settings: { ...named, ownListeners: [], nodeProxies: [] }, gates };
  const shared = sharedSettings(gate);
  const ours = new Map<string, unknown>(Object.entries(sharedSettings(named)));
  const conflicts = new Set(
    Object.entries(shared)
      .filter(([name, value]) => !isDeepStrictEqual(ours.get(name), value))
      .map(([name]) => name),
  );
  const { found } = findSettings('policy', flags, hostEnvironment());
  const against = found.filter(({ setting, from }) => from !== 'default' && conflicts.has(setting.name));
  if (against.length > 0) {
    const names = against.map(({ setting }) => `${setting.env} (${setting.flag.split(' ')[0]})`).join(', ');
    throw new SandgateError(
      'SETTINGS_INVALID',
      `conflicts with the running gate (pid ${gate.pid} on ${named.stateDir}): ${names}`,
      { remedy: 'leave it out, or name another state folder (--state-dir)' },
    );
  }
  const { ownListeners, nodeProxies = [], allowShadow } = gate;
  const own = { ownListeners, nodeProxies, allowShadow: allowShadow === true };
  return { settings: { ...named, ...shared, ...own }, gates };
}
