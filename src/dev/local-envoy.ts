import { join } from 'node:path';
import type { Address } from '../address.ts';
import { writeConfigFolder } from '../envoy/bootstrap.ts';
import type { Capacity } from '../envoy/capacity.ts';
import type { ControlPlane } from '../envoy/control-plane.ts';
import { type EnvoyProcess, startEnvoy } from '../envoy/process.ts';
import type { Running } from '../fleet/supervised.ts';
import { prepareSocket } from '../state/socket-path.ts';
import type { Certificates } from './certificates/certificates.ts';

const WORKERS = 2;
const STOP_WITHIN_MS = 2000;

export interface LocalEnvoyOptions {
  stateDir: string;
  binary: string;
  adminSocket: string;
  gateSockets: readonly string[];
  certificates: Certificates;
  controlPlane?: ControlPlane | undefined;
  capacity: Capacity;
  onStart(pid: number): void;
}

/** The Envoy of the local stack. When it is started again, it keeps the ports of its first start. */
export interface LocalEnvoy {
  http: readonly Address[];
  https: readonly Address[];
  run(): Promise<Running>;
  /** Resolves once Envoy sees a healthy gate; throws ENVOY_FAILED after `withinMs`. */
  waitForGate(withinMs: number): Promise<void>;
}

export function createLocalEnvoy(
  http: readonly Address[],
  https: readonly Address[],
  options: LocalEnvoyOptions,
): LocalEnvoy {
  let current: EnvoyProcess | undefined;
  const folder = join(options.stateDir, 'envoy');
  const envoy: LocalEnvoy = {
    http,
    https,
    async run() {
      await prepareSocket({ path: options.adminSocket, access: 'private' });
      const settings = {
        http: envoy.http,
        https: envoy.https,
        tls: options.certificates,
        gates: options.gateSockets.map((path) => ({ path })),
        admin: { path: options.adminSocket },
        capacity: options.capacity,
        ...(options.controlPlane && { controlPlane: options.controlPlane }),
        secretsIn: folder,
      };
      await writeConfigFolder(folder, settings, 0o600);
      const started = await startEnvoy({
        binary: options.binary,
        configFile: join(folder, 'envoy.yaml'),
        adminSocket: options.adminSocket,
        log: join(options.stateDir, 'logs', 'envoy.log'),
        accessLog: join(options.stateDir, 'logs', 'access.log'),
        concurrency: WORKERS,
        onStart: options.onStart,
      });
      current = started;
      envoy.http = started.addresses.http;
      envoy.https = started.addresses.https;
      return {
        exited: started.exited.then(({ code, signal }) => signal ?? `exit code ${code}`),
        stop: () => started.stop(STOP_WITHIN_MS),
      };
    },
    waitForGate: async (withinMs) => current?.waitForGate(withinMs),
  };
  return envoy;
}
