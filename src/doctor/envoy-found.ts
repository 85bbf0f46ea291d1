import type { EnvoyBinary } from '../envoy/binary.ts';
import { type Finding, failedBy, ok, warn } from './finding.ts';

const PLACES: Readonly<Record<EnvoyBinary['from'], string>> = {
  named: 'named by SANDGATE_ENVOY',
  path: 'on PATH',
  cache: 'in the cache',
  fetched: 'fetched',
};

/** Whether there is an Envoy. `look` throws ENVOY_MISSING for one that is named and unfit. */
export async function checkEnvoy(
  look: () => Promise<EnvoyBinary | undefined>,
): Promise<{ finding: Finding; binary: EnvoyBinary | undefined }> {
  try {
    const binary = await look();
    if (binary !== undefined) {
      const { version, from, path } = binary;
      return { finding: ok('envoy', `${version}, ${PLACES[from]}: ${path}`), binary };
    }
    const remedy = '`sandgate dev` fetches one at its first start; or name one in SANDGATE_ENVOY';
    return { finding: warn('envoy', 'none is named, on PATH or in the cache', remedy), binary };
  } catch (error) {
    return { finding: failedBy('envoy', error), binary: undefined };
  }
}
