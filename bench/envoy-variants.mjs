import { AUTHORIZATION, GATES, MANAGER, SANDBOXES } from './stack/envoy-edits.mjs';

/**
 * One setting of the bundled config, and the edit that removes it. `why` is its purpose.
 * @typedef {{ name: string, setting: string, without: (config: import('./stack/envoys.mjs').Config) => void, why: string }} Variant
 */

const ROUTES = [...MANAGER, 'route_config', 'virtual_hosts', 0, 'routes'];
const PROTOCOL = [
  ...SANDBOXES,
  'typed_extension_protocol_options',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
];

/** @param {(string | number)[]} path @returns {Variant['without']} */
const drop = (path) => (config) => void config.deleteIn(path);

/**
 * The only route for which `is` holds: their order changes.
 * @param {import('./stack/envoys.mjs').Config} config @param {(route: import('yaml').YAMLMap) => boolean} is
 */
function onlyRoute(config, is) {
  const routes = /** @type {import('yaml').YAMLSeq<import('yaml').YAMLMap>} */ (config.getIn(ROUTES)).items;
  const [route, ...others] = routes.filter(is);
  if (route === undefined || others.length > 0) throw new Error('the routes of envoy.yaml have changed');
  return route;
}

/** @param {import('./stack/envoys.mjs').Config} config */
function safeRoute(config) {
  return onlyRoute(config, (route) => route.hasIn(['route', 'inline_cluster_specifier_plugin']));
}

/** @type {readonly Variant[]} */
export const VARIANTS = [
  {
    name: 'health-checks',
    setting: '`health_checks` of the gates',
    without: drop([...GATES, 'health_checks']),
    why: 'gates that are down get no checks',
  },
  {
    name: 'outlier-detection',
    setting: '`outlier_detection` of the gates',
    without: drop([...GATES, 'outlier_detection']),
    why: 'a frozen gate is ejected for a second',
  },
  {
    name: 'check-retries',
    setting: '`retry_policy` of Check',
    without: drop([...AUTHORIZATION, 'grpc_service', 'retry_policy']),
    why: 'no request fails when a gate dies',
  },
  {
    name: 'allowed-headers',
    setting: '`allowed_headers`',
    without: drop([...AUTHORIZATION, 'allowed_headers']),
    why: 'cookies stay in Envoy, and the gate decodes less',
  },
  {
    name: 'mutation-rules',
    setting: '`decoder_header_mutation_rules`',
    without: drop([...AUTHORIZATION, 'decoder_header_mutation_rules']),
    why: 'an allow cannot change other headers',
  },
  {
    name: 'connect-retries',
    setting: '`retry_policy` of the route of safe methods',
    without: (config) => void safeRoute(config).deleteIn(['route', 'retry_policy']),
    why: 'reaches servers that start late, or that just closed the connection',
  },
  {
    name: 'filter-state',
    setting: '`set_filter_state` with the pool key',
    without: drop([...MANAGER, 'http_filters', 1]),
    why: 'a reused address never gets the previous sandbox’s connection',
  },
  {
    name: 'access-log',
    setting: '`access_log`',
    without: drop([...MANAGER, 'access_log']),
    why: 'one line per request',
  },
  {
    name: 'early-mutation',
    setting: '`early_header_mutation_extensions`',
    without: drop([...MANAGER, 'early_header_mutation_extensions']),
    why: 'clients cannot impersonate Envoy or the gate',
  },
  {
    name: 'upstream-mutation',
    setting: '`header_mutation` of the sandbox cluster',
    without: drop([...PROTOCOL, 'http_filters', 0]),
    why: 'sandboxes cannot impersonate the gate',
  },
  {
    name: 'local-replies',
    setting: '`local_reply_config`',
    without: drop([...MANAGER, 'local_reply_config']),
    why: 'E2B’s answers for a closed port and for no gate',
  },
  {
    name: 'stats',
    setting: 'all statistics',
    without: (config) =>
      config.setIn(['stats_config'], config.createNode({ stats_matcher: { reject_all: true } })),
    why: 'the dashboard and the alerts',
  },
  {
    name: 'keep-alive',
    setting: 'upstream keep-alive (without: `max_requests_per_connection: 1`)',
    without: (config) =>
      config.setIn([...PROTOCOL, 'common_http_protocol_options', 'max_requests_per_connection'], 1),
    why: 'safe with the pool key; a negative cost is a saving',
  },
];

/** What the routes of GET and POST add; `npm run bench -- routing` measures these. @type {readonly Variant[]} */
export const ROUTING = [
  {
    name: 'safe-route',
    setting: 'the second attempt of safe methods over `sandbox_wait`',
    without(config) {
      const route = safeRoute(config);
      route.delete('request_headers_to_add');
      route.deleteIn(['route', 'inline_cluster_specifier_plugin']);
      route.deleteIn(['route', 'retry_policy', 'refresh_cluster_on_retry']);
      route.setIn(['route', 'cluster'], 'sandbox');
    },
    why: 'reaches servers that start late, or that just closed the connection',
  },
  {
    name: 'fresh-connections',
    setting: 'a connection of its own for each POST',
    // The anchor: all routes to `sandbox_fresh` refer to it.
    without: (config) =>
      onlyRoute(config, (route) => route.getIn(['route', 'cluster']) === 'sandbox_fresh').setIn(
        ['route', 'cluster'],
        'sandbox',
      ),
    why: 'no POST races a server that closes the connection',
  },
];
