import { prepare, root } from './prepare.mjs';

// Runs a script of `bench/commands/` on a fresh build: `node scripts/bench.mjs bench/commands/check.mjs --rounds 5`.
await prepare();
const [script = ''] = process.argv.splice(2, 1);
await import(`${root}${script}`);
