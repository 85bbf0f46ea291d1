import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sdkFolder } from '../../scripts/sdk.mjs';

/** E2B's npm package at exactly this version, as `import … from 'e2b'` would return it. */
export async function importNpmSdk(version: string) {
  const folder = join(await sdkFolder('npm', version), 'node_modules', 'e2b');
  const { exports, module, main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const entry: string = exports?.['.']?.import?.default ?? exports?.import ?? module ?? main;
  return await import(pathToFileURL(join(folder, entry)).href);
}
