import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';

/** Tells whether an `Authorization` header holds one of the keys. Only their digests are kept. */
export type KeyCheck = (authorization: string | undefined) => boolean;

const KEY = /^[\x21-\x7e]{32,512}$/;

/** What is wrong with a key, without the key; undefined when nothing is. */
export function keyFault(key: string): string | undefined {
  return KEY.test(key) ? undefined : 'each key must be 32 to 512 visible ASCII characters';
}

/** Every key takes the same path, and so does no key at all. */
export function createKeyCheck(keys: readonly string[]): KeyCheck {
  const digests = keys.map(digestOf);
  return (authorization = '') => {
    const presented = digestOf(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
    let matches = 0;
    for (const digest of digests) matches |= Number(timingSafeEqual(digest, presented));
    return matches === 1;
  };
}

/** One key a line; blank lines are skipped. Throws SETTINGS_INVALID. */
export function readKeysFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw keysFileInvalid(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const faults = keys.map(keyFault);
  const bad = faults.findIndex((fault) => fault !== undefined);
  if (bad >= 0) throw keysFileInvalid(`${path}, key ${bad + 1}: ${faults[bad]}`);
  if (keys.length === 0) throw keysFileInvalid(`${path} holds no key`);
  return keys;
}

function keysFileInvalid(reason: string, cause?: unknown): SandgateError {
  return new SandgateError('SETTINGS_INVALID', `SANDGATE_ADMIN_KEYS_FILE (--admin-keys-file): ${reason}`, {
    remedy: 'make a key with `openssl rand -hex 32`, one a line',
    cause,
  });
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
