import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SandgateError } from '#src/errors.js';
import { makeFolder } from '#src/folder.js';

/**
 * Reads a secret of the local cloud from a file with mode 0600, which is made on the first start. `pattern`: what the
 * secret must look like. Throws STATE_UNUSABLE with a message that does not quote the secret.
 */
export function secretFile(path: string, pattern: RegExp, make: () => string): string {
  try {
    makeFolder(dirname(path), 0o700);
    // Linked into place: two starts at the same time must get the same secret, and a crash must not leave half of it.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, `${make()}\n`, { mode: 0o600 });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    chmodSync(path, 0o600);
    const secret = readFileSync(path, 'utf8').trim();
    if (!pattern.test(secret)) throw new Error('its content is not valid');
    return secret;
  } catch (cause) {
    throw new SandgateError('STATE_UNUSABLE', `cannot use ${path}: ${(cause as Error).message}`, {
      remedy: 'make it readable and its folder writable; if it is damaged, remove it, and a new one is made',
      cause,
    });
  }
}
