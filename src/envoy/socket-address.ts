import type { Address } from '../address.ts';

/** Where something that Envoy asks listens: a unix socket or TCP. */
export type GateAddress = { path: string } | Address;

/** As Envoy's `core.v3.Address`. */
export function socket(at: GateAddress) {
  return 'path' in at
    ? { pipe: { path: at.path } }
    : { socket_address: { address: at.host, port_value: at.port } };
}
