import { type Address, formatAddress } from '../address.ts';
import type { Settings } from '../settings.ts';

export interface GatePlace {
  socket: string;
  /** As `--admin` takes it. */
  admin: string;
  ops: Address;
  ownListeners: readonly Address[];
}

/** The flags of `serve` for a gate of the local stack. */
export function gateFlags(settings: Settings, { socket, admin, ops, ownListeners }: GatePlace): string[] {
  const values: Record<string, string> = {
    'state-dir': settings.stateDir,
    domains: settings.domains.join(','),
    routing: settings.routing,
    'sandbox-cidrs': settings.sandboxCidrs.join(','),
    'own-listeners': ownListeners.map(formatAddress).join(','),
    listen: `unix:${socket}`,
    processes: '1',
    ops: formatAddress(ops),
    admin,
    'admin-hosts': settings.adminHosts.join(','),
    'admin-keys-file': settings.adminKeysFile ?? '',
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
