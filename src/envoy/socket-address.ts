import type { Endpoint } from '../address.ts';

/** The same as Envoy's `core.v3.Address`. */
export function socket(at: Endpoint) {
  return 'path' in at
    ? { pipe: { path: at.path } }
    : { socket_address: { address: at.host, port_value: at.port } };
}
