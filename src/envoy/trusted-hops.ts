import type { Document, YAMLMap, YAMLSeq } from 'yaml';

/**
 * For proxies in front of Envoy that end TLS. Each of them appends the address that connected to it to `x-forwarded-for`,
 * so the last `hops` entries are true, and what a client sent is to the left of them.
 *
 * Without such a proxy, Envoy removes every `x-forwarded-*`. Here it keeps `x-forwarded-for` and `x-forwarded-proto`, which
 * it reads itself. It removes the others, because a proxy passes on what it does not set. A sandbox gets one address in
 * `x-forwarded-for`, the client's, as it does without a proxy: a server that reads the first entry must not find one that
 * the client made up.
 */
export function trustHops(document: Document, manager: YAMLMap, hops: number): void {
  manager.set('xff_num_trusted_hops', hops);
  const early = ['early_header_mutation_extensions', 0, 'typed_config', 'mutations'];
  const mutations = manager.getIn(early) as YAMLSeq<YAMLMap>;
  const all = mutations.items.find(
    (item) => item.getIn(['remove_on_match', 'key_matcher', 'prefix']) === 'x-forwarded-',
  );
  all!.setIn(['remove_on_match', 'key_matcher'], { safe_regex: { regex: OTHER_FORWARDED_HEADERS } });

  const client = {
    header: { key: 'x-forwarded-for', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' },
    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
  };
  const sandboxes = manager.getIn(['route_config', 'virtual_hosts', 0]) as YAMLMap;
  const added = sandboxes.get('request_headers_to_add') as YAMLSeq | undefined;
  if (added) added.add(document.createNode(client));
  else sandboxes.set('request_headers_to_add', document.createNode([client]));
}

/** Every `x-forwarded-…` but `x-forwarded-for` and `x-forwarded-proto`, spelled out because RE2 has no lookahead. */
export const OTHER_FORWARDED_HEADERS =
  'x-forwarded-([^fp].*|f(o(r.+|[^r].*)?|[^o].*)?|p(r(o(t(o.+|[^o].*)?|[^t].*)?|[^o].*)?|[^r].*)?)?';

const PROXY_PROTOCOL =
  'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

/**
 * For a balancer that passes TCP on and starts each connection with the PROXY protocol, version 1 or 2: the address in it
 * becomes the address of the client. Envoy closes a connection that starts with anything else.
 */
export function expectProxyProtocol(document: Document, listener: YAMLMap): void {
  const filter = { name: 'envoy.filters.listener.proxy_protocol', typed_config: { '@type': PROXY_PROTOCOL } };
  listener.set('listener_filters', document.createNode([filter]));
}
