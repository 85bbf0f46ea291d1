import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EnvoyProcess, startEnvoy } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';

/** A real Envoy with a folder of its own, which has its config, its logs and `admin.sock`. */
export interface EnvoyInFolder {
  envoy: EnvoyProcess;
  folder: string;
  /** Removes the folder too. */
  stop(): Promise<void>;
}

/** `configIn` returns the config, with the admin interface at `admin.sock` in the folder that it is given. */
export async function startEnvoyInFolder(configIn: (folder: string) => string): Promise<EnvoyInFolder> {
  const folder = mkdtempSync(join(tmpdir(), 'sandgate-envoy-'));
  const inFolder = (name: string) => join(folder, name);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    writeFileSync(inFolder('envoy.yaml'), configIn(folder));
    const envoy = await startEnvoy({
      binary: envoyBinary(),
      configFile: inFolder('envoy.yaml'),
      adminSocket: inFolder('admin.sock'),
      log: inFolder('envoy.log'),
      accessLog: inFolder('access.log'),
      concurrency: 1,
    });
    const stop = async () => {
      await envoy.stop(2000);
      remove();
    };
    return { envoy, folder, stop };
  } catch (error) {
    remove();
    throw error;
  }
}
