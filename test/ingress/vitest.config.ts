import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';

// The comparison of ingresses needs programs that `npm test` does without; `npm run test:extra -- envoy-gateway` runs it.
export default mergeConfig(
  { ...base, test: { ...base.test, projects: undefined } },
  defineConfig({
    test: { include: ['test/ingress/*.extra.ts'], testTimeout: 300_000, hookTimeout: 900_000 },
  }),
);
