import type { Address } from '../address.ts';

/** Address of a server that Envoy connects to: a unix socket or TCP. */
export type GateAddress = { path: string } | Address;

/** The same as Envoy's `core.v3.Address`. */
export function socket(at: GateAddress) {
  return 'path' in at
    ? { pipe: { path: at.path } }
    : { socket_address: { address: at.host, port_value: at.port } };
}
