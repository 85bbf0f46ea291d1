import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { vi } from 'vitest';
import { stringify } from 'yaml';
import { type Address, parseAddress } from '../../src/address.ts';
import { startEnvoy } from '../../src/envoy/process.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { STARTS_WITHIN } from './ingress-fleet.ts';

/** Istio's translation of the manifests (test/ingress/istiod.go), and a real Envoy as its gateway. */
export async function startIstio(options: {
  folder: string;
  /** Where the Gateway of the manifests listens. */
  http: Address;
  manifests: string;
  meshConfig: string;
}): Promise<{ stop(): Promise<void> }> {
  const binary = process.env.ISTIOD;
  if (!binary) throw new Error('ISTIOD does not name the program of test/ingress/istiod.go');
  const inFolder = (name: string) => join(options.folder, name);
  writeFileSync(inFolder('istio.yaml'), options.manifests);
  writeFileSync(inFolder('mesh.yaml'), options.meshConfig);
  const files = ['-manifests', inFolder('istio.yaml'), '-mesh-config', inFolder('mesh.yaml')];
  const child = spawn(binary, files, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Filters that only Istio's own build of Envoy has; they only serve telemetry between sidecars.
    env: { ...process.env, PILOT_ENABLE_METADATA_EXCHANGE: 'false', PILOT_ENABLE_ALPN_FILTER: 'false' },
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = new Promise<Address>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ads = /^istiod ready: ADS on (\S+)/.exec(line)?.[1];
      if (ads !== undefined) resolve(parseAddress(ads));
    });
  });
  const stop = async () => {
    child.stdin.end();
    await exited;
  };
  const ads = await Promise.race([ready, exited]);
  if (!ads) throw new Error(`istiod ended: ${log.slice(-2000)}`);
  writeFileSync(inFolder('gateway.yaml'), stringify(bootstrap(ads, inFolder('gateway.sock'))));
  const envoy = await startEnvoy({
    binary: envoyBinary(),
    configFile: inFolder('gateway.yaml'),
    adminSocket: inFolder('gateway.sock'),
    log: inFolder('gateway.log'),
    accessLog: inFolder('gateway-access.log'),
    concurrency: 1,
  }).catch(async (error) => {
    await stop();
    throw error;
  });
  const gateway = {
    async stop() {
      await envoy.stop(2000);
      await stop();
    },
  };
  try {
    await vi.waitFor(() => {
      const lines = readFileSync(inFolder('gateway.log'), 'utf8').split('\n');
      const rejected = lines.find((line) => line.includes('rejected'));
      if (rejected) throw new Error(rejected);
      return reachable(options.http);
    }, STARTS_WITHIN);
    return gateway;
  } catch (error) {
    await gateway.stop();
    throw error;
  }
}

function reachable({ host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve();
    }).once('error', reject);
  });
}

function bootstrap(ads: Address, adminSocket: string) {
  const stream = { envoy_grpc: { cluster_name: 'istiod' } };
  return {
    node: {
      // An address that no sandbox and no gate has: Istio would take the gateway for a pod of theirs.
      id: 'router~192.0.2.1~sandbox-ingress.istio-ingress~istio-ingress.svc.cluster.local',
      cluster: 'sandbox-ingress.istio-ingress',
      metadata: {
        NAMESPACE: 'istio-ingress',
        LABELS: { istio: 'sandbox-ingress' },
        CLUSTER_ID: 'Kubernetes',
        ISTIO_VERSION: '1.31.0',
      },
    },
    admin: { address: { pipe: { path: adminSocket } } },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [stream] },
      lds_config: { ads: {}, resource_api_version: 'V3' },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'istiod',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'istiod',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: ads.host, port_value: ads.port } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  };
}
