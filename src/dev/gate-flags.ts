import { join } from 'node:path';
import { type Address, formatAddress, formatEndpoint } from '../address.ts';
import type { Flags } from '../config.ts';
import { gateOpsAddresses } from '../fleet/gate-ops.ts';
import type { Settings } from '../settings.ts';
import { resolveSocketPath } from '../state/socket-path.ts';

export interface GateEndpoints {
  socket: string;
  /** In the form that `--policy-api` takes. */
  policyApi: string;
  ops: Address;
  ownListeners: readonly Address[];
  nodeProxies: readonly Address[];
  nodeProxyKeyFile: string;
}

/** The flags that a gate of the local stack does not share with the other gates. */
export function ownFlags(endpoints: GateEndpoints): Flags {
  const { socket, policyApi, ops, ownListeners, nodeProxies, nodeProxyKeyFile } = endpoints;
  return {
    listen: formatEndpoint({ path: socket }),
    ops: formatAddress(ops),
    policyApi,
    ownListeners: ownListeners.map(formatAddress).join(','),
    nodeProxies: nodeProxies.map(formatAddress).join(','),
    nodeProxyKeyFile,
    processes: '1',
  };
}

/** Where the policy API of each gate listens, in the form that `--policy-api` takes; `tcp`: those that no gate may dial. */
export async function policyApiEndpoints(
  settings: Pick<Settings, 'policyApi' | 'gates' | 'stateDir'>,
): Promise<{ endpoints: string[]; tcp: Address[] }> {
  const { policyApi, gates, stateDir } = settings;
  const socketOf = (n: number) => `unix:${join(stateDir, 'policy-api', `gate-${n}.sock`)}`;
  const numbers = Array.from({ length: gates }, (_, n) => n);
  if (policyApi === undefined) return { endpoints: numbers.map(() => 'off'), tcp: [] };
  if ('host' in policyApi) {
    const tcp = await gateOpsAddresses(policyApi, 1, 'SANDGATE_POLICY_API');
    return { endpoints: numbers.map((n) => (n === 0 ? formatAddress(tcp[0]!) : socketOf(n))), tcp };
  }
  // A path without `<n>` is for one gate only: the first.
  const numbered = policyApi.path.includes('<n>');
  const pathOf = (n: number) =>
    numbered || n === 0 ? `unix:${policyApi.path.replace('<n>', `${n}`)}` : socketOf(n);
  return { endpoints: numbers.map(pathOf), tcp: [] };
}

/** Those that need no key, with the path at which the gates actually listen. */
export function policyApiSockets(endpoints: readonly string[], temporary: string): string[] {
  return endpoints
    .filter((endpoint) => endpoint.startsWith('unix:'))
    .map((endpoint) => endpoint.slice('unix:'.length))
    .map((path) => `unix:${resolveSocketPath({ path, access: 'private' }, temporary).path}`);
}
