import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Address } from '../../src/address.ts';
import { startEnvoyInFolder } from './envoy-in-folder.ts';

const ANY_PORT = { socket_address: { address: '127.0.0.1', port_value: 0 } };
const API = 'type.googleapis.com/envoy';

/** A TLS balancer in front of the ingress: another Envoy, with nothing of the bundled config. */
export interface Balancer {
  http: Address;
  https: Address;
  stop(): Promise<void>;
}

/**
 * Appends the client's address to `x-forwarded-for`, sets `x-forwarded-proto`, keeps the Host, and leaves every other header
 * as the client sent it. `protocol`: between it and the ingress.
 */
export async function startBalancer(options: {
  ingress: Address;
  protocol: 'HTTP/1.1' | 'HTTP/2';
  tls: { certificate: string; key: string };
}): Promise<Balancer> {
  const { envoy, stop } = await startEnvoyInFolder((folder) =>
    stringify(config(options, join(folder, 'admin.sock'))),
  );
  return { http: envoy.addresses.http[0]!, https: envoy.addresses.https[0]!, stop };
}

function config({ ingress, protocol, tls }: Parameters<typeof startBalancer>[0], adminSocket: string) {
  const manager = {
    '@type': `${API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'balancer',
    use_remote_address: true,
    http2_protocol_options: { allow_connect: true },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: 'ingress', timeout: '0s' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${API}.extensions.filters.http.router.v3.Router` },
      },
    ],
  };
  const filters = [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }];
  const transport_socket = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [
          { certificate_chain: { filename: tls.certificate }, private_key: { filename: tls.key } },
        ],
      },
    },
  };
  const upstream =
    protocol === 'HTTP/2'
      ? { http2_protocol_options: { allow_connect: true } }
      : { http_protocol_options: {} };
  return {
    admin: { address: { pipe: { path: adminSocket } } },
    static_resources: {
      listeners: [
        { name: 'http', address: ANY_PORT, filter_chains: [{ filters }] },
        { name: 'https', address: ANY_PORT, filter_chains: [{ filters, transport_socket }] },
      ],
      clusters: [
        {
          name: 'ingress',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${API}.extensions.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: upstream,
            },
          },
          load_assignment: {
            cluster_name: 'ingress',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: {
                      address: { socket_address: { address: ingress.host, port_value: ingress.port } },
                    },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  };
}
