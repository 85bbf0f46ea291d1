import { join } from 'node:path';

/** The environment for commands that a reader types: npx needs a writable folder, and curl obeys proxy variables. */
export const plainTerminal = (folder: string) => ({
  npm_config_cache: join(folder, 'npm'),
  NO_PROXY: '*',
  no_proxy: '*',
});
