import { defineConfig } from 'vitest/config';

// `local-cloud/` imports `src/` as `#src/…` (package.json): here its sources, in a built tree what was compiled from them.
const conditions = ['source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/envoy-binary.ts', 'test/machine.ts'],
    reporters: ['test/progress-reporter.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more files at once only make each of them slower.
    maxWorkers: 2,
  },
});
