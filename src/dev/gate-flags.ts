import { join } from 'node:path';
import { type Address, formatAddress } from '../address.ts';
import { gateOpsAddresses } from '../fleet/gate-ops.ts';
import type { Settings } from '../settings.ts';
import { resolveSocketPath } from '../state/socket-path.ts';

export interface GateEndpoints {
  socket: string;
  /** As `--policy-api` takes it. */
  policyApi: string;
  ops: Address;
  ownListeners: readonly Address[];
}

/** The flags of `serve` for a gate of the local stack. */
export function gateFlags(
  settings: Settings,
  { socket, policyApi, ops, ownListeners }: GateEndpoints,
): string[] {
  const values: Record<string, string> = {
    'state-dir': settings.stateDir,
    domains: settings.domains.join(','),
    routing: settings.routing,
    'sandbox-cidrs': settings.sandboxCidrs.join(','),
    'own-listeners': ownListeners.map(formatAddress).join(','),
    listen: `unix:${socket}`,
    processes: '1',
    ops: formatAddress(ops),
    'policy-api': policyApi,
    'policy-api-hosts': settings.policyApiHosts.join(','),
    'policy-api-keys-file': settings.policyApiKeysFile ?? '',
    store: settings.store,
    'policy-dir': settings.policyDir,
    'cache-fresh': String(settings.freshMs / 1000),
    'cache-hard': String(settings.hardMs / 1000),
    'cache-absent': String(settings.absentMs / 1000),
    drain: String(settings.drainMs / 1000),
    'log-level': settings.logLevel,
    // A variable that is meant for a `serve` of the user's own must not reach a gate on a socket.
    'check-tls-certificate': '',
    'check-tls-key': '',
    'check-tls-client-ca': '',
    'log-allows': String(settings.logAllows),
    'allow-shadow': String(settings.allowShadow),
  };
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

/** Where each gate's policy API listens, as `--policy-api` takes it; `tcp`: what no gate may dial. */
export async function policyApiPlaces(
  settings: Pick<Settings, 'policyApi' | 'gates' | 'stateDir'>,
): Promise<{ places: string[]; tcp: Address[] }> {
  const { policyApi, gates, stateDir } = settings;
  const socketOf = (n: number) => `unix:${join(stateDir, 'policy-api', `gate-${n}.sock`)}`;
  const numbers = Array.from({ length: gates }, (_, n) => n);
  if (policyApi === undefined) return { places: numbers.map(() => 'off'), tcp: [] };
  if ('host' in policyApi) {
    const tcp = await gateOpsAddresses(policyApi, 1, 'SANDGATE_POLICY_API');
    return { places: numbers.map((n) => (n === 0 ? formatAddress(tcp[0]!) : socketOf(n))), tcp };
  }
  // A path for one gate goes to the first.
  const numbered = policyApi.path.includes('<n>');
  const pathOf = (n: number) =>
    numbered || n === 0 ? `unix:${policyApi.path.replace('<n>', `${n}`)}` : socketOf(n);
  return { places: numbers.map(pathOf), tcp: [] };
}

/** Those of them that need no key, where the gates really put them. */
export function policyApiSockets(places: readonly string[], temporary: string): string[] {
  const paths = places
    .filter((place) => place.startsWith('unix:'))
    .map((place) => place.slice('unix:'.length));
  return paths.map((path) => `unix:${resolveSocketPath({ path, access: 'private' }, temporary).path}`);
}
