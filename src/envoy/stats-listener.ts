import type { Document } from 'yaml';
import { type GateAddress, socket } from './socket-address.ts';

const MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

/** What a Prometheus and a probe may ask. Whoever reaches the rest of the admin interface can stop Envoy. */
const PASSED_ON = ['/stats/prometheus', '/ready'];

/** Prometheus and probes need a port, and the admin interface must stay on its socket: passes on these paths alone. */
export function addStatsListener(document: Document, at: GateAddress, admin: { path: string }): void {
  const ingress = {
    stat_prefix: 'stats',
    route_config: {
      virtual_hosts: [
        {
          name: 'stats',
          domains: ['*'],
          routes: PASSED_ON.map((path) => ({ match: { path }, route: { cluster: 'admin' } })),
        },
      ],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
  };
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: { '@type': MANAGER, ...ingress },
  };
  const listener = { name: 'stats', address: socket(at), filter_chains: [{ filters: [filter] }] };
  document.addIn(['static_resources', 'listeners'], document.createNode(listener));
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(admin) } }] }];
  const cluster = {
    name: 'admin',
    type: 'STATIC',
    load_assignment: { cluster_name: 'admin', endpoints },
  };
  document.addIn(['static_resources', 'clusters'], document.createNode(cluster));
}
