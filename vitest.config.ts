import { defineConfig } from 'vitest/config';

// `local-cloud/` imports `src/` as `#src/…` (package.json): here its sources, in a built tree what was compiled from them.
const conditions = ['source', 'node', 'import', 'module', 'default'];

/**
 * They replace modules, which must not reach the files that run after them in the same process, or measure the heap of
 * their process.
 */
const ALONE = [
  'test/check/port-budget.test.ts',
  'test/decision/token.test.ts',
  'test/docs/cli.test.ts',
  'test/policy/cache/cache-races.test.ts',
];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    globalSetup: ['test/envoy-binary.ts', 'test/machine.ts'],
    reporters: ['test/progress-reporter.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One more than cores: many tests wait for processes of their own.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        // Modules keep no state between calls, so files can share them: loading takes a third of a short test's time.
        test: { name: 'shared', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false },
      },
      { extends: true, test: { name: 'alone', include: ALONE } },
    ],
  },
});
