import { isDeepStrictEqual } from 'node:util';
import { type Flags, findSettings, readSettings } from '../config.ts';
import { SandgateError } from '../errors.ts';
import type { Settings } from '../settings.ts';
import { type GateRun, liveGates } from '../state/run-file.ts';
import { surroundings } from './surroundings.ts';

/** What says how a policy is read, and where it lies. */
const OF_THE_GATE = ['domains', 'routing', 'sandboxCidrs', 'store', 'policyDir'] as const;

/** The settings of a command, and the gates that live in its state folder: theirs hold then. */
export interface SettingsBeside {
  settings: Settings;
  gates: readonly GateRun[];
}

/**
 * What is accepted here is what the gates accept, so theirs win over defaults; a flag or variable that says otherwise is
 * refused, since neither what it names nor what the gate has is surely meant. Throws SETTINGS_INVALID.
 */
export function settingsBeside(flags: Flags): SettingsBeside {
  const named = readSettings('policy', flags, surroundings());
  const gates = liveGates(named.stateDir);
  const [gate] = gates;
  if (gate === undefined) return { settings: { ...named, ownListeners: [] }, gates };
  const { found } = findSettings('policy', flags, surroundings());
  const said = new Set(found.filter(({ from }) => from !== 'default').map(({ setting }) => setting.name));
  const against = OF_THE_GATE.filter((name) => said.has(name) && !isDeepStrictEqual(named[name], gate[name]));
  if (against.length > 0) {
    const flagsOf = found.filter(({ setting }) => (against as readonly string[]).includes(setting.name));
    const names = flagsOf.map(({ setting }) => `${setting.env} (${setting.flag.split(' ')[0]})`).join(', ');
    throw new SandgateError(
      'SETTINGS_INVALID',
      `the gate with pid ${gate.pid} runs on ${named.stateDir} with another ${names}`,
      { remedy: 'leave it out, or name another state folder (--state-dir)' },
    );
  }
  const { domains, routing, sandboxCidrs, ownListeners, store, policyDir } = gate;
  const theirs = { domains, routing, sandboxCidrs, ownListeners, store, policyDir };
  return { settings: { ...named, ...theirs, allowShadow: gate.allowShadow === true }, gates };
}
