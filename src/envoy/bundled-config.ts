import { readFile } from 'node:fs/promises';
import { PACKAGE_ROOT } from '../package-root.ts';

/** The text of `envoy/envoy.yaml`, the one source of the bundled config. */
export function loadBundledConfig(): Promise<string> {
  return readFile(`${PACKAGE_ROOT}envoy/envoy.yaml`, 'utf8');
}
