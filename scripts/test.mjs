import { prepare, run } from './prepare.mjs';

// `npm test`: format, lint, types, then every test. Arguments go to vitest: `npm test -- test/policy`.
await prepare();
await run(process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '.']);
await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
await run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
