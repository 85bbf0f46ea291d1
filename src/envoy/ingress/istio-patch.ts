import {
  AUTHORIZATION_FILTER,
  authorizationOf,
  connectRetryRouteOf,
  MANAGER_FILTER,
  managerOf,
  managerPatch,
  pick,
  ROUTES_REMOVE,
} from './bundled-parts.ts';
import { grpcRefusalsFilter } from './grpc-refusals.ts';

const API = 'type.googleapis.com/envoy.extensions.filters';
const MANAGER = `${API}.network.http_connection_manager.v3.HttpConnectionManager`;
const AUTHORIZATION = `${API}.http.ext_authz.v3.ExtAuthz`;
const ROUTER = `${API}.http.router.v3.Router`;

/** What Envoy Gateway's ClientTrafficPolicy has fields for, and Istio does not. */
const MANAGER_FIELDS = [
  'early_header_mutation_extensions',
  'preserve_external_request_id',
  'request_headers_timeout',
  'stream_idle_timeout',
];

/** What Istio's ext_authz provider has no field for. */
const AUTHORIZATION_FIELDS = [
  'validate_mutations',
  'encode_raw_headers',
  'allowed_headers',
  'decoder_header_mutation_rules',
  'max_denied_response_body_bytes',
];

/** Headers for a mesh, not for a sandbox. */
const ADDED_BY_ISTIO = ['x-envoy-attempt-count', 'x-envoy-decorator-operation'];

/** An EnvoyFilter. It cannot turn `normalize_path` off, because merging does not reset a field. */
export function istioPatch(bundled: string) {
  const manager = managerOf(bundled);
  const authorization = authorizationOf(manager);
  const { retry_policy } = authorization.grpc_service;
  const { normalize_path: _, ...patch } = managerPatch(manager);
  const { timeout, idle_timeout, retry_policy: retries } = connectRetryRouteOf(manager);
  const filter = (name: string) => inManager({ subFilter: { name } });
  return {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'sandboxes', namespace: 'istio-ingress' },
    spec: {
      workloadSelector: { labels: { istio: 'sandbox-ingress' } },
      configPatches: [
        merge('NETWORK_FILTER', inManager(), {
          typed_config: {
            '@type': MANAGER,
            server_header_transformation: 'PASS_THROUGH',
            strip_trailing_host_dot: true,
            ...pick(manager, MANAGER_FIELDS),
            ...patch,
          },
        }),
        {
          applyTo: 'HTTP_FILTER',
          match: { context: 'GATEWAY', ...inManager() },
          patch: { operation: 'INSERT_FIRST', value: grpcRefusalsFilter(manager) },
        },
        merge('HTTP_FILTER', filter(AUTHORIZATION_FILTER), {
          typed_config: {
            '@type': AUTHORIZATION,
            ...pick(authorization, AUTHORIZATION_FIELDS),
            grpc_service: { retry_policy },
          },
        }),
        merge('HTTP_FILTER', filter('envoy.filters.http.router'), {
          typed_config: { '@type': ROUTER, suppress_envoy_headers: true },
        }),
        merge(
          'ROUTE_CONFIGURATION',
          {},
          {
            ...ROUTES_REMOVE,
            request_headers_to_remove: [...ROUTES_REMOVE.request_headers_to_remove, ...ADDED_BY_ISTIO],
          },
        ),
        // Not for the catch-all route, which answers by itself.
        merge(
          'HTTP_ROUTE',
          { routeConfiguration: { vhost: { route: { action: 'ROUTE' } } } },
          {
            route: { timeout, idle_timeout, retry_policy: retries },
          },
        ),
      ],
    },
  };
}

const inManager = (more: object = {}) => ({
  listener: { filterChain: { filter: { name: MANAGER_FILTER, ...more } } },
});

const merge = (applyTo: string, match: object, value: object) => ({
  applyTo,
  match: { context: 'GATEWAY', ...match },
  patch: { operation: 'MERGE', value },
});
