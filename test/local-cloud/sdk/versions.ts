import { SDK_VERSIONS } from '../../../scripts/sdk.mjs';

const newest = { npm: SDK_VERSIONS.npm.slice(0, 1), pypi: SDK_VERSIONS.pypi.slice(0, 1) };

/** `npm test` runs the newest version; `npm run test:extra -- sdk`, every one. */
export const versions: Record<'npm' | 'pypi', string[]> = process.env.SANDGATE_TEST_SDKS
  ? JSON.parse(process.env.SANDGATE_TEST_SDKS)
  : newest;
