import type { Document, YAMLMap, YAMLSeq } from 'yaml';
import type { Endpoint } from '../address.ts';
import { socket } from './socket-address.ts';

/** Where the API of the local cloud listens; it shares the ingress with the sandboxes. */
export type ControlPlane = Endpoint & {
  /** Exact host names, such as `api.e2b.localhost`, on any port. */
  hosts: readonly string[];
};

const UNAVAILABLE_BODY = '{"code":503,"message":"The local cloud is not running. Try again in a moment."}';

/**
 * Adds the one host whose requests skip the gate, because the API checks its own key. It must match in full, except for
 * case and a port; a virtual host of Envoy would accept anything as a port. Requests that merely resemble it (a trailing
 * dot, two Hosts) go to the gate.
 */
export function addControlPlane(document: Document, listener: YAMLMap, { hosts, ...at }: ControlPlane): void {
  const ingress = listener.getIn(['filter_chains', 0, 'filters', 0, 'typed_config']) as YAMLMap;
  const names = hosts.map((host) => host.replaceAll('.', '\\.')).join('|');
  const isHost = {
    name: ':authority',
    string_match: { safe_regex: { regex: `(?i)(${names})(:[0-9]{1,5})?` } },
  };
  const routes = ingress.getIn(['route_config', 'virtual_hosts', 0, 'routes']) as YAMLSeq;
  routes.items.unshift(
    document.createNode({
      match: { prefix: '/', headers: [isHost] },
      // A create waits until the sandbox has started, and has a timeout of its own.
      route: { cluster: 'control_plane', timeout: '120s' },
      typed_per_filter_config: {
        'envoy.filters.http.ext_authz': {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
          disabled: true,
        },
      },
    }),
  );
  const mappers = ingress.getIn(['local_reply_config', 'mappers']) as YAMLSeq;
  mappers.items.unshift(document.createNode(unavailableMapper(isHost)));
  const clusters = document.getIn(['static_resources', 'clusters']) as YAMLSeq;
  clusters.add(document.createNode(cluster(at)));
}

/** If the API is down, its clients must not get the closed-port answer of a sandbox. */
function unavailableMapper(isHost: object) {
  return {
    filter: {
      and_filter: {
        filters: [
          { response_flag_filter: { flags: ['UF', 'UH', 'URX', 'NC', 'UC', 'UR', 'UPE', 'UT', 'UO'] } },
          { header_filter: { header: isHost } },
        ],
      },
    },
    status_code: 503,
    body_format_override: {
      content_type: 'application/json; charset=utf-8',
      text_format_source: { inline_string: UNAVAILABLE_BODY },
    },
  };
}

function cluster(at: Endpoint) {
  return {
    name: 'control_plane',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'control_plane',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(at) } }] }],
    },
  };
}
