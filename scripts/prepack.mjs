import { prepare } from './prepare.mjs';

// `npm pack` and `npm publish`: `dist/` is what `src/` says, and holds nothing that is gone from there.
await prepare();
