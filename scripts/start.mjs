import { prepare } from './prepare.mjs';

// `npm start`: runs the local stack, in this process, so that npm's signals reach it.
await prepare();
process.argv.splice(2, 0, 'dev');
await import('../bin/sandgate.js');
