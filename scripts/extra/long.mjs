import { run } from '../prepare.mjs';

// `npm test` with the long forms of its tests: full port sweeps, more rounds, more sandboxes.
process.env.TEST_LONG = '1';
await run(process.execPath, ['scripts/test.mjs', ...process.argv.slice(2)]);
