import { prepare } from './prepare.mjs';

// Before `npm pack` and `npm publish`: builds `dist/` from `src/`, without files whose source is gone.
await prepare();
