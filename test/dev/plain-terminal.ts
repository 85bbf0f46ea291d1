import { join } from 'node:path';

/** For commands that a reader types: npx needs a place to write in where HOME has none, and curl obeys a proxy's variables. */
export const plainTerminal = (folder: string) => ({
  npm_config_cache: join(folder, 'npm'),
  NO_PROXY: '*',
  no_proxy: '*',
});
