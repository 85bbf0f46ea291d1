import { fileURLToPath } from 'node:url';

/** The folder of package.json, with a slash at its end: the same from `src/` and from `dist/`. */
export const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url));
