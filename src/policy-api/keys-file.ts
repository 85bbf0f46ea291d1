import { readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';
import { keyFault } from '../setting-parsers.ts';

/** The keys that a policy API accepts: one per line, blank lines are skipped. Throws SETTINGS_INVALID. */
export function readKeysFile(path: string): string[] {
  const invalid = invalidFile(
    'SANDGATE_POLICY_API_KEYS_FILE (--policy-api-keys-file)',
    'make a key with `openssl rand -hex 32`, one per line',
  );
  const keys = linesOf(path, invalid).filter((line) => line !== '');
  const faults = keys.map(keyFault);
  const bad = faults.findIndex((fault) => fault !== undefined);
  if (bad >= 0) throw invalid(`${path}, key ${bad + 1}: ${faults[bad]}`);
  if (keys.length === 0) throw invalid(`${path} does not contain a key`);
  return keys;
}

/** The first line of a file with a key. `setting` names it in errors, with what to do. Throws SETTINGS_INVALID. */
export function readKeyFile(path: string, setting: string, remedy: string): string {
  const invalid = invalidFile(setting, remedy);
  const key = linesOf(path, invalid)[0] ?? '';
  const fault = keyFault(key);
  if (fault !== undefined) throw invalid(`${path}: ${fault}`);
  return key;
}

type Invalid = (reason: string, cause?: unknown) => SandgateError;

function invalidFile(setting: string, remedy: string): Invalid {
  return (reason, cause) => new SandgateError('SETTINGS_INVALID', `${setting}: ${reason}`, { remedy, cause });
}

function linesOf(path: string, invalid: Invalid): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim());
  } catch (cause) {
    throw invalid(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}
