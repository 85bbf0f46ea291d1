import { isIPv4, isIPv6 } from 'node:net';

/**
 * True if the mask yields a valid Host for every port: with `${PORT}` replaced by 65535, the longest port, it is a
 * host name or an IP (IPv6 in brackets if a port follows), in any case, with an optional port.
 */
export function isHostMask(mask: string): boolean {
  const host = mask.replace(/\$\{PORT\}/g, '65535');
  if (isIPv6(host) && !host.includes('%')) return true;
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::([1-9]\d{0,4}))?$/.exec(host);
  if (match === null || Number(match[2] ?? 1) > 65535) return false;
  const name = match[1]!;
  return name.startsWith('[') ? isIPv6(name.slice(1, -1)) : isIPv4(name) || isHostName(name);
}

function isHostName(name: string): boolean {
  if (name.length > 253) return false;
  const labels = name.split('.');
  // A last label of digits makes a malformed IPv4 address, which resolvers interpret differently.
  if (/^\d+$/.test(labels.at(-1)!)) return false;
  return labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
}
