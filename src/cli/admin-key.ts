import { readFileSync } from 'node:fs';
import { keyFault } from '../admin/api-keys.ts';
import { SandgateError } from '../errors.ts';
import type { Settings } from '../settings.ts';

/** The key that opens a policy API on TCP: the first line of the key file, else the environment's. */
export function adminKey(settings: Pick<Settings, 'adminKey' | 'adminKeyFile'>): string | undefined {
  const { adminKeyFile: file } = settings;
  if (file === undefined) return settings.adminKey;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw fileInvalid(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  const key = text.split('\n')[0]!.trim();
  const fault = keyFault(key);
  if (fault !== undefined) throw fileInvalid(`${file}: ${fault}`);
  return key;
}

function fileInvalid(reason: string, cause?: unknown): SandgateError {
  return new SandgateError('SETTINGS_INVALID', `SANDGATE_ADMIN_KEY_FILE (--admin-key-file): ${reason}`, {
    remedy: 'name a file whose first line is one of the keys of the gate',
    cause,
  });
}
