import { prepare, run } from '../prepare.mjs';
import { SDK_VERSIONS } from '../sdk.mjs';

// E2B's unmodified SDKs against the local cloud, in every listed version. `npm test` runs the newest.
await prepare();
process.env.SANDGATE_TEST_SDKS = JSON.stringify(SDK_VERSIONS);
await run(process.execPath, ['scripts/test.mjs', 'test/local-cloud/sdk', ...process.argv.slice(2)]);
