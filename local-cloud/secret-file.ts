import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SandgateError } from '#src/errors.js';
import { makeFolder } from '#src/folder.js';

/**
 * One secret of the local cloud, 0600, made on the first start. `pattern`: what a file that is there must hold.
 * Throws STATE_UNUSABLE, whose message does not quote it.
 */
export function secretFile(path: string, pattern: RegExp, make: () => string): string {
  try {
    makeFolder(dirname(path), 0o700);
    // Linked into place: two starts at once must end up with the same secret, and a crash must not leave half of one.
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
    if (!pattern.test(secret)) throw new Error('it does not hold what belongs there');
    return secret;
  } catch (cause) {
    throw new SandgateError('STATE_UNUSABLE', `cannot use ${path}: ${(cause as Error).message}`, {
      remedy: 'make it readable and its folder writable; if it is damaged, remove it and a new one is made',
      cause,
    });
  }
}
