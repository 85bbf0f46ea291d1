import { request } from 'node:http';
import type { Address } from '../address.ts';

/** The addresses that Envoy listens on, with real ports, in the order of the config. */
export interface ListenerAddresses {
  http: Address[];
  https: Address[];
}

/** Envoy's admin interface on its unix socket. Calls reject while Envoy does not answer. */
export interface EnvoyAdmin {
  isLive(): Promise<boolean>;
  listeners(): Promise<ListenerAddresses>;
  /** Number of gates that pass their health check. */
  healthyGates(): Promise<number>;
}

interface SocketAddress {
  socket_address: { address: string; port_value: number };
}
interface Listeners {
  listener_statuses?: {
    name: string;
    local_address: SocketAddress;
    additional_local_addresses?: SocketAddress[];
  }[];
}
interface Clusters {
  cluster_statuses?: { name: string; host_statuses?: { health_status?: Record<string, unknown> }[] }[];
}

export function connectAdmin(socketPath: string): EnvoyAdmin {
  const json = async <T>(path: string) => JSON.parse(await get(socketPath, path)) as T;
  return {
    isLive: async () => (await get(socketPath, '/server_info')).includes('"state": "LIVE"'),
    async listeners() {
      const { listener_statuses = [] } = await json<Listeners>('/listeners?format=json');
      const of = (wanted: string) =>
        listener_statuses
          .filter(({ name }) => name === wanted)
          .flatMap((status) => [status.local_address, ...(status.additional_local_addresses ?? [])])
          .map(({ socket_address: { address, port_value } }) => ({ host: address, port: port_value }));
      return { http: of('http'), https: of('https') };
    },
    async healthyGates() {
      const { cluster_statuses = [] } = await json<Clusters>('/clusters?format=json');
      const hosts = cluster_statuses.find(({ name }) => name === 'gate')?.host_statuses ?? [];
      return hosts.filter(({ health_status: status = {} }) => {
        const failing = Object.keys(status).some((name) => name.startsWith('failed_'));
        return !failing && status.eds_health_status === 'HEALTHY';
      }).length;
    },
  };
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, agent: false, timeout: 2000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve(body));
    });
    sent.on('timeout', () => sent.destroy(new Error('the admin interface did not answer')));
    sent.on('error', reject);
    sent.end();
  });
}
