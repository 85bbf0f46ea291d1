import { parse } from 'yaml';
import { REASON_HEADER, REQUEST_HEADERS } from '../../target/headers.ts';

/** The bundled config's HTTP connection manager: the fields that the patches of other Envoys take from it. */
export interface Manager {
  normalize_path: boolean;
  internal_address_config: object;
  upgrade_configs: { upgrade_type: string }[];
  local_reply_config: { mappers: Mapper[] };
  http_protocol_options: object;
  http_filters: Filter[];
  route_config: { virtual_hosts: { routes: { route?: Route }[] }[] };
}

export interface Filter {
  name: string;
  typed_config: Authorization & { xds_matcher?: object; extension_config?: Lua };
}

interface Lua {
  typed_config: { default_source_code: { inline_string: string } };
}

interface Authorization {
  grpc_service: {
    retry_policy: { retry_host_predicate: object[]; host_selection_retry_max_attempts: number };
  };
}

interface Route {
  timeout: string;
  idle_timeout: string;
  retry_policy?: { retry_on: string; refresh_cluster_on_retry?: boolean };
}

interface Mapper {
  filter: object;
  headers_to_add?: { header: { key: string; value: string } }[];
}

export const AUTHORIZATION_FILTER = 'envoy.filters.http.ext_authz';
export const MANAGER_FILTER = 'envoy.filters.network.http_connection_manager';

/** The headers that the routes of another ingress must remove: towards the sandbox, and in its answers. */
export const ROUTES_REMOVE = {
  request_headers_to_remove: [REQUEST_HEADERS.clientAddress],
  response_headers_to_remove: [REASON_HEADER],
};

export function managerOf(bundled: string): Manager {
  const { listeners } = parse(bundled, { maxAliasCount: -1 }).static_resources;
  return listeners[0].filter_chains[0].filters[0].typed_config;
}

export function authorizationOf({ http_filters }: Manager): Authorization {
  return http_filters.find(({ name }) => name === AUTHORIZATION_FILTER)!.typed_config;
}

/** The bundled route that repeats nothing but a refused connect, and needs no second cluster for it. */
export function connectRetryRouteOf({ route_config }: Manager): Route {
  const routes = route_config.virtual_hosts[0]!.routes.flatMap(({ route }) => route ?? []);
  return routes.find(({ retry_policy: policy }) => policy && !policy.refresh_cluster_on_retry)!;
}

/** The fields of this name that there are. */
export function pick(from: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}

/** What neither Envoy Gateway nor Istio has a field for. */
export function managerPatch(manager: Manager) {
  const { local_reply_config, normalize_path, internal_address_config, http_protocol_options } = manager;
  return {
    normalize_path,
    internal_address_config,
    http_protocol_options,
    local_reply_config: { ...local_reply_config, mappers: withNoRoute(local_reply_config.mappers) },
  };
}

/**
 * A request that is allowed but has no route in the ingress gets the answer of a closed port. The 502 of the catch-all route
 * has no response flag, so these mappers follow the ones that go by a flag.
 */
function withNoRoute(mappers: readonly Mapper[]): Mapper[] {
  const isClosedPort = ({ headers_to_add = [] }: Mapper) =>
    headers_to_add.some(({ header }) => header.key === REASON_HEADER && header.value === 'port_closed');
  const added = mappers.filter(isClosedPort).map((mapper) => {
    const isPage = JSON.stringify(mapper).includes('text/html');
    const filters = [IS_502, hasMetadata('answered', false), ...(isPage ? [hasMetadata('html', true)] : [])];
    return { ...mapper, filter: { and_filter: { filters } } };
  });
  const lastByFlag = mappers.findLastIndex(({ filter }) =>
    JSON.stringify(filter).includes('response_flag_filter'),
  );
  return [...mappers.slice(0, lastByFlag + 1), ...added, ...mappers.slice(lastByFlag + 1)];
}

const IS_502 = {
  status_code_filter: { comparison: { op: 'EQ', value: { default_value: 502, runtime_key: 'unused' } } },
};

/** Absent metadata is false. */
const hasMetadata = (key: string, value: boolean) => ({
  metadata_filter: {
    matcher: { filter: AUTHORIZATION_FILTER, path: [{ key }], value: { bool_match: value } },
    match_if_key_not_found: !value,
  },
});
