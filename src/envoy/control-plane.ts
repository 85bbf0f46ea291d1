import type { Document, YAMLMap, YAMLSeq } from 'yaml';
import { type GateAddress, socket } from './socket-address.ts';

/** The control plane of the local cloud, which shares the ingress: where its API listens. */
export type ControlPlane = GateAddress & {
  /** Exact host names, such as `api.e2b.localhost`; any port of them. */
  hosts: readonly string[];
};

const TRY_AGAIN = '{"code":503,"message":"The local cloud is not running. Try again in a moment."}';

/**
 * Adds the one host that the gate is not asked about: the API checks a key of its own. Envoy compares a host whole, but
 * for case and a port that is a number; anything else that looks like it (a trailing dot, two Hosts) is the gate's.
 */
export function addControlPlane(document: Document, listener: YAMLMap, { hosts, ...at }: ControlPlane): void {
  const ingress = listener.getIn(['filter_chains', 0, 'filters', 0, 'typed_config']) as YAMLMap;
  ingress.setIn(['route_config', 'ignore_port_in_host_matching'], true);
  const virtualHosts = ingress.getIn(['route_config', 'virtual_hosts']) as YAMLSeq;
  virtualHosts.items.unshift(
    document.createNode({
      name: 'control_plane',
      domains: hosts,
      typed_per_filter_config: {
        'envoy.filters.http.ext_authz': {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute',
          disabled: true,
        },
      },
      // A create takes a sandbox' start, and ends by itself.
      routes: [{ match: { prefix: '/' }, route: { cluster: 'control_plane', timeout: '120s' } }],
    }),
  );
  const mappers = ingress.getIn(['local_reply_config', 'mappers']) as YAMLSeq;
  mappers.items.unshift(document.createNode(awayMapper(hosts)));
  const clusters = document.getIn(['static_resources', 'clusters']) as YAMLSeq;
  clusters.add(document.createNode(cluster(at)));
}

/** The pages about closed ports are about sandboxes. */
function awayMapper(hosts: readonly string[]) {
  const names = hosts.map((host) => host.replaceAll('.', '\\.')).join('|');
  const isHost = { safe_regex: { regex: `(?i)(${names})(:[0-9]+)?` } };
  return {
    filter: {
      and_filter: {
        filters: [
          { response_flag_filter: { flags: ['UF', 'UH', 'URX', 'NC', 'UC', 'UR', 'UPE', 'UT', 'UO'] } },
          { header_filter: { header: { name: ':authority', string_match: isHost } } },
        ],
      },
    },
    status_code: 503,
    body_format_override: {
      content_type: 'application/json; charset=utf-8',
      text_format_source: { inline_string: TRY_AGAIN },
    },
  };
}

function cluster(at: GateAddress) {
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
