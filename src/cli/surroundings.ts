import { hasIpv6Loopback } from '../address.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Surroundings } from '../settings.ts';

/** In a checkout the state folder stays in the checkout, wherever the command is typed; an installed package has no such place. */
export function surroundings(): Surroundings {
  const installed = PACKAGE_ROOT.includes('/node_modules/');
  return { baseDir: installed ? process.cwd() : PACKAGE_ROOT, ipv6Loopback: hasIpv6Loopback() };
}
