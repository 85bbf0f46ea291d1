import type { Networks } from './network.ts';

/** What a policy may say at this site, fixed at start. */
export interface PolicyRules {
  /** `ingress`: the ingress keeps its own routes, so a record needs none. */
  routing: 'gate' | 'ingress';
  /** Where a route may point (`--sandbox-cidrs`). */
  networks: Networks;
  /** True for an address and port that Sandgate or its Envoy listens on: dialling it would loop. */
  isOwnListener(address: string, port: number): boolean;
}
