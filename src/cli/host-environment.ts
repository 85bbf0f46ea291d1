import { hasIpv6Loopback } from '../address.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { HostEnvironment } from '../settings.ts';

/** Relative paths start at the checkout, in whichever folder the command runs; for an installed package, at that folder. */
export function hostEnvironment(): HostEnvironment {
  const installed = PACKAGE_ROOT.includes('/node_modules/');
  return { baseDir: installed ? process.cwd() : PACKAGE_ROOT, ipv6Loopback: hasIpv6Loopback() };
}
