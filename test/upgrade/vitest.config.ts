import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

// An upgrade needs the older version, which `npm run test:extra -- upgrade` takes out of the git history.
export default mergeConfig(
  { ...base, test: { ...base.test, projects: undefined } },
  defineConfig({
    test: { include: ['test/upgrade/*.extra.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
  }),
);
