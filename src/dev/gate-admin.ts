import { join } from 'node:path';
import { type Address, formatAddress } from '../address.ts';
import { gateOpsAddresses } from '../fleet/gate-ops.ts';
import { socketPlace } from '../server/socket-path.ts';
import type { Settings } from '../settings.ts';

/** Where each gate's policy API listens, as `--admin` takes it; `tcp`: what no gate may dial. */
export async function gateAdminPlaces(
  settings: Pick<Settings, 'admin' | 'gates' | 'stateDir'>,
): Promise<{ places: string[]; tcp: Address[] }> {
  const { admin, gates, stateDir } = settings;
  const socketOf = (n: number) => `unix:${join(stateDir, 'admin', `gate-${n}.sock`)}`;
  const numbers = Array.from({ length: gates }, (_, n) => n);
  if (admin === undefined) return { places: numbers.map(() => 'off'), tcp: [] };
  if ('host' in admin) {
    const tcp = await gateOpsAddresses(admin, 1, 'SANDGATE_ADMIN');
    return { places: numbers.map((n) => (n === 0 ? formatAddress(tcp[0]!) : socketOf(n))), tcp };
  }
  // A path for one gate goes to the first.
  const numbered = admin.path.includes('<n>');
  const pathOf = (n: number) =>
    numbered || n === 0 ? `unix:${admin.path.replace('<n>', `${n}`)}` : socketOf(n);
  return { places: numbers.map(pathOf), tcp: [] };
}

/** Those of them that need no key, where the gates really put them. */
export function adminSockets(places: readonly string[], temporary: string): string[] {
  const paths = places
    .filter((place) => place.startsWith('unix:'))
    .map((place) => place.slice('unix:'.length));
  return paths.map((path) => `unix:${socketPlace({ path, access: 'private' }, temporary).path}`);
}
