import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of package.json, with a slash at its end: the same from `src/` and from `dist/`. */
export const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url));

export function packageVersion(): string {
  return (JSON.parse(readFileSync(`${PACKAGE_ROOT}package.json`, 'utf8')) as { version: string }).version;
}
