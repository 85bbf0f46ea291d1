import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { canonicalAddress, groupsOf } from '../address.ts';
import { SandgateError } from '../errors.ts';

/** What a policy may contain at this site, fixed at start. */
export interface PolicyRules {
  /** `ingress`: the ingress has its own routes, so a record does not need one. */
  routing: 'gate' | 'ingress';
  /** `refuse`: no sandbox may be public (`--public-traffic`). */
  publicTraffic: 'allow' | 'refuse';
  /** Where a route may point (`--sandbox-cidrs`). */
  networks: Networks;
  /** True for an address and port that Sandgate or its Envoy listens on: dialing it would loop. */
  isOwnListener(address: string, port: number): boolean;
  /** True for the address and port of a node proxy (`--node-proxies`). */
  isNodeProxy(address: string, port: number): boolean;
}

/** The networks that a route may point into. */
interface Networks {
  /** As configured. */
  readonly cidrs: readonly string[];
  /** One list per family: a mixed one also matches its IPv4 rules against IPv4-mapped IPv6. */
  readonly ipv4: BlockList;
  readonly ipv6: BlockList;
}

/**
 * Refused even inside a configured network: these are never a sandbox. IPv6 forms that embed an IPv4 address are
 * refused as a whole, because a translator on the path could dial an address that the IPv4 list refuses. The metadata
 * services of IBM, Hetzner, Tencent, DigitalOcean and Scaleway (IPv4) are link-local.
 */
const DENIED_IPV4 = [
  '0.0.0.0/8', // unspecified; Linux dials itself
  '169.254.0.0/16', // link-local, and the metadata service of most clouds
  '224.0.0.0/4', // multicast
  '255.255.255.255/32', // broadcast
  '192.0.0.0/24', // protocol assignments; 192.0.0.192 is the metadata service of Oracle Cloud Classic
  '192.88.99.0/24', // 6to4 relays
  '100.100.100.200/32', // metadata, Alibaba Cloud
  '168.63.129.16/32', // metadata, Azure
];
const DENIED_IPV6 = [
  '::/96', // unspecified and IPv4-compatible; addressFault excepts loopback
  '::ffff:0:0/96', // IPv4-mapped
  '::ffff:0:0:0/96', // IPv4-translated
  '64:ff9b::/96', // NAT64
  '64:ff9b:1::/48', // NAT64, local use
  '2001::/32', // Teredo
  '2002::/16', // 6to4
  'fe80::/10', // link-local
  'ff00::/8', // multicast
  'fd00:ec2::/32', // local services of AWS: metadata (::254), EKS Pod Identity (::23), DNS, time
  'fd20:ce::254/128', // metadata, Google Cloud
  'fd00:c1::a9fe:a9fe/128', // metadata, Oracle Cloud
  'fd00:42::42/128', // metadata, Scaleway
  'fd00:a9fe:a9fe::1/128', // metadata, Akamai
  'fd00:100::100:200/128', // metadata, Alibaba Cloud
];
/** Metadata services whose IPv4 address, in any IPv6 prefix, may be translated (NAT64 with a prefix of the site). */
const METADATA_IPV4 = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
];
const denied = { ipv4: blockList(DENIED_IPV4), ipv6: blockList(DENIED_IPV6) };

/** `cidrs` such as `10.0.0.0/8`. Throws SETTINGS_INVALID that names each invalid one. */
export function parseNetworks(cidrs: readonly string[]): Networks {
  const faults = cidrs.flatMap((cidr) => {
    const fault = cidrFault(cidr);
    return fault === undefined ? [] : [`${JSON.stringify(cidr)} ${fault}`];
  });
  if (faults.length > 0) {
    throw new SandgateError('SETTINGS_INVALID', `the sandbox networks cannot be used: ${faults.join('; ')}`, {
      field: '--sandbox-cidrs',
      remedy: 'name the networks of the sandboxes, such as 10.0.0.0/8',
    });
  }
  const of = (family: (address: string) => boolean) => cidrs.filter((cidr) => family(cidr.split('/')[0]!));
  return { cidrs: [...cidrs], ipv4: blockList(of(isIPv4)), ipv6: blockList(of(isIPv6)) };
}

/** Why a route must not point there, as the end of a sentence; undefined if it may. */
export function addressFault(text: string, networks: Networks): string | undefined {
  const address = canonicalAddress(text);
  if (address === undefined) return 'must be one IP literal without a zone';
  const family = isIPv4(address) ? 'ipv4' : 'ipv6';
  const isDenied = denied[family].check(address, family) || (family === 'ipv6' && embedsDeniedIpv4(address));
  if (address !== '::1' && isDenied) {
    return 'is of a kind that is never a sandbox (unspecified, link-local, multicast, translated, cloud metadata)';
  }
  if (networks[family].check(address, family)) return undefined;
  return `lies outside the sandbox networks (--sandbox-cidrs: ${networks.cidrs.join(', ') || 'none'})`;
}

/** ISATAP addresses, and those that end in the IPv4 address of a metadata service; both can have any prefix. */
function embedsDeniedIpv4(address: string): boolean {
  const groups = groupsOf(address);
  const [high = 0, low = 0] = groups.slice(-2);
  const ipv4 = [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
  // RFC 5214: the interface id is 0000:5efe or 0200:5efe and the IPv4 address. The two lowest bits of the first byte are flags.
  const isIsatap = (groups[4]! & 0xfcff) === 0 && groups[5] === 0x5efe;
  return isIsatap || METADATA_IPV4.includes(ipv4);
}

function cidrFault(cidr: string): string | undefined {
  const [address = '', prefix = '', ...rest] = cidr.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined;
  if (bits === undefined || rest.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits) {
    return 'is not a network in CIDR form';
  }
  return prefix === '0' ? 'covers every address' : undefined;
}

function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address, prefix] = cidr.split('/') as [string, string];
    list.addSubnet(address, Number(prefix), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
