import type { Document } from 'yaml';
import type { Endpoint } from '../address.ts';
import { socket } from './socket-address.ts';

const NETWORK_FILTERS = 'type.googleapis.com/envoy.extensions.filters.network';
const MANAGER = `${NETWORK_FILTERS}.http_connection_manager.v3.HttpConnectionManager`;
const CONNECTION_LIMIT = `${NETWORK_FILTERS}.connection_limit.v3.ConnectionLimit`;
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

/** Connections of probes and scrapes, each at most 35 kB and a few seconds. */
const CONNECTIONS = 256;

/** The paths for probes and Prometheus. The rest of the admin interface could stop Envoy. */
const ROUTES = [
  // A priority has circuit breakers of its own: scrapes, which keep the main thread busy, cannot delay probes.
  { match: { path: '/ready' }, route: { cluster: 'admin', timeout: '2s', priority: 'HIGH' } },
  { match: { path: '/stats/prometheus' }, route: { cluster: 'admin', timeout: '10s' } },
];

/**
 * Prometheus and probes need a port, but the admin interface must stay on its socket: only two of its paths are served.
 * They are answered under overload too, or the probe would kill an Envoy that only sheds load. In exchange, the listener
 * has tight limits of its own.
 */
export function addStatsListener(document: Document, at: Endpoint, admin: { path: string }): void {
  const ingress = {
    stat_prefix: 'stats',
    codec_type: 'HTTP1',
    max_request_headers_kb: 8,
    request_headers_timeout: '2s',
    request_timeout: '5s',
    stream_idle_timeout: '10s',
    delayed_close_timeout: '1s',
    common_http_protocol_options: { idle_timeout: '5s', max_headers_count: 50 },
    route_config: { virtual_hosts: [{ name: 'stats', domains: ['*'], routes: ROUTES }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
  };
  const limit = { '@type': CONNECTION_LIMIT, stat_prefix: 'stats', max_connections: CONNECTIONS };
  const listener = {
    name: 'stats',
    address: socket(at),
    bypass_overload_manager: true,
    ignore_global_conn_limit: true,
    per_connection_buffer_limit_bytes: 32_768,
    filter_chains: [
      {
        filters: [
          { name: 'envoy.filters.network.connection_limit', typed_config: limit },
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: { '@type': MANAGER, ...ingress },
          },
        ],
      },
    ],
  };
  document.addIn(['static_resources', 'listeners'], document.createNode(listener));
  document.addIn(['static_resources', 'clusters'], document.createNode(adminCluster(admin)));
}

function adminCluster(admin: { path: string }) {
  const limits = (atOnce: number) => ({
    max_connections: atOnce,
    max_pending_requests: atOnce,
    max_requests: atOnce,
  });
  return {
    name: 'admin',
    type: 'STATIC',
    connect_timeout: '1s',
    circuit_breakers: { thresholds: [limits(2), { priority: 'HIGH', ...limits(16) }] },
    load_assignment: {
      cluster_name: 'admin',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(admin) } }] }],
    },
  };
}
