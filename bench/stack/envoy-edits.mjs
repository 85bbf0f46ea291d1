/** @typedef {import('./envoys.mjs').Config} Config */

/** Where the bundled config has its HTTP connection manager and its clusters. */
export const MANAGER = ['static_resources', 'listeners', 0, 'filter_chains', 0, 'filters', 0, 'typed_config'];
export const AUTHORIZATION = [...MANAGER, 'http_filters', 0, 'typed_config'];
export const SANDBOXES = ['static_resources', 'clusters', 0];
export const GATES = ['static_resources', 'clusters', 1];

/** An upstream that answers at once: a server in Node would be the slowest part. @param {Config} config */
export function answerAtOnce(config) {
  dropFilters(config, 2);
  config.deleteIn([...MANAGER, 'access_log']);
  // Listens on every address, so that there can be 10,000 destinations.
  config.setIn(['static_resources', 'listeners', 0, 'address', 'socket_address', 'address'], '0.0.0.0');
  const answer = { status: 200, body: { inline_string: 'hello' } };
  config.setIn(
    [...MANAGER, 'route_config', 'virtual_hosts', 0, 'routes'],
    config.createNode([{ match: { prefix: '/' }, direct_response: answer }]),
  );
}

/** The same after it has read the body: otherwise Envoy closes the connection after each answer. @param {Config} config */
export function answerAfterBody(config) {
  answerAtOnce(config);
  const type = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer';
  const buffer = {
    name: 'envoy.filters.http.buffer',
    typed_config: { '@type': type, max_request_bytes: 65_536 },
  };
  const filters = /** @type {import('yaml').YAMLSeq} */ (config.getIn([...MANAGER, 'http_filters']));
  filters.items.unshift(config.createNode(buffer));
}

/** Removes the gate: the request itself names its destination. The difference from the other Envoys is the cost of a gate. @param {Config} config */
export function withoutGate(config) {
  dropFilters(config, 2);
  destinationByHeader(config);
}

/** A gate that names no destination: it only allows or denies. @param {Config} config */
export function destinationByHeader(config) {
  // In place, because the other clusters of sandboxes refer to it.
  const chosen = /** @type {import('yaml').YAMLMap} */ (
    config.getIn([...SANDBOXES, 'original_dst_lb_config'])
  );
  chosen.items = config.createNode({ use_http_header: true, http_header_name: 'x-bench-destination' }).items;
}

/** @param {Config} config @param {number} count From the first one on. */
function dropFilters(config, count) {
  for (let n = count - 1; n >= 0; n--) config.deleteIn([...MANAGER, 'http_filters', n]);
}
