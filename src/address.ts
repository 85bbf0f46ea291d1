import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';

/** An IP address in canonical form, without brackets, and a TCP port (0: any free one). */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads `127.0.0.1:3002`, `[::1]:3002` or `localhost:3002`; throws an Error that says what is wrong. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (!match) throw new Error('must be host:port');
  const named = match[1] ?? match[2]!;
  const host = canonicalAddress(named === 'localhost' ? '127.0.0.1' : named);
  if (host === undefined) throw new Error(`"${named}" is not an IP address`);
  const port = Number(match[3]);
  if (port > 65535) throw new Error('the port is above 65535');
  return { host, port };
}

/**
 * The canonical form of an IP literal (IPv4 dotted decimal, IPv6 as in RFC 5952). Undefined for anything else: host
 * names, zones, and spellings that resolvers disagree on (`127.1`, `0x7f.1`, `010.0.0.1`).
 */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return new SocketAddress({ address: text, family: 'ipv6' }).address;
}

export function formatAddress({ host, port }: Address): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A unix socket or TCP. */
export type Endpoint = { readonly path: string } | Address;

/** `unix:/path` or `host:port`, the form used in flags, run files and gRPC. */
export function formatEndpoint(endpoint: Endpoint): string {
  return 'path' in endpoint ? `unix:${endpoint.path}` : formatAddress(endpoint);
}

/** Parses the output of `formatEndpoint`; throws as `parseAddress` does. */
export function parseEndpoint(text: string): Endpoint {
  return text.startsWith('unix:') ? { path: text.slice('unix:'.length) } : parseAddress(text);
}

/** How a client reaches a policy API. On TCP the host may be a name; without a scheme it is plain HTTP. */
export type ApiUrl = { readonly path: string } | (Address & { readonly scheme?: 'http' | 'https' });

const DEFAULT_PORT = { http: 80, https: 443 } as const;

/** Reads `http://host:port` or `https://host[:port]`; throws an Error that says what is wrong. */
export function parseApiUrl(text: string): ApiUrl {
  const scheme = /^(https?):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') {
    const meant = /^[^\s/?#@]+:\d{1,5}$/.test(text) ? ` (did you mean http://${text}?)` : '';
    throw new Error(`must be unix:<path>, http://host:port or https://host[:port]${meant}`);
  }
  if (!URL.canParse(text)) throw new Error('is not a valid URL');
  const url = new URL(text);
  const { pathname, search, hash, username, password } = url;
  if (pathname !== '/' || search || hash || username || password) {
    throw new Error('must be a scheme, a host and a port only');
  }
  return {
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT[scheme] : Number(url.port),
  };
}

/** `unix:<path>`, `http://host:port` or `https://host:port`. */
export function formatApiUrl(url: ApiUrl): string {
  return 'path' in url ? formatEndpoint(url) : `${url.scheme ?? 'http'}://${formatAddress(url)}`;
}

/** True for an address that other machines cannot reach; false for any form that is not known to be one. */
export function isLoopback({ host }: Address): boolean {
  return host.startsWith('127.') || host === '::1';
}

export function hasIpv6Loopback(): boolean {
  return localAddresses().has('::1');
}

function localAddresses(): Set<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map((one) => one.address)));
}

/**
 * Returns a test for whether an address and port belong to one of these listeners. A wildcard listener answers on
 * every local address, including every loopback address, whichever addresses the interfaces have at the moment.
 */
export function ownListenerTest(listeners: readonly Address[]): (address: string, port: number) => boolean {
  // Indexed by port: the test runs for every request, and almost never finds a match.
  const hosts = new Map<number, Set<string>>();
  for (const { host, port } of listeners) hosts.set(port, (hosts.get(port) ?? new Set()).add(host));
  return (address, port) => {
    const own = hosts.get(port);
    if (own === undefined) return false;
    if (own.has(address)) return true;
    const isWildcard = own.has('0.0.0.0') || own.has('::');
    return isWildcard && (isLoopback({ host: address, port }) || localAddresses().has(address));
  };
}

/**
 * The listeners of Sandgate itself, which it never dials. The set grows while a gate starts: the policy API needs
 * rules that know the listeners, and becomes a listener itself once its port is bound.
 */
export class OwnListeners {
  #all: readonly Address[];
  #test: ReturnType<typeof ownListenerTest>;

  constructor(known: readonly Address[]) {
    this.#all = known;
    this.#test = ownListenerTest(known);
  }

  /** Ignores a unix socket: no route can lead to one. */
  add(endpoint: Endpoint | undefined): void {
    if (endpoint === undefined || 'path' in endpoint) return;
    this.#all = [...this.#all, endpoint];
    this.#test = ownListenerTest(this.#all);
  }

  get all(): readonly Address[] {
    return this.#all;
  }

  readonly include = (address: string, port: number): boolean => this.#test(address, port);
}

/** Groups of 16 bits in an IPv6 address, and in the part of it that names one client's network. */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * What counts as one client: an IPv4 address, or the /64 of an IPv6 address, because one customer of a provider has at
 * least 2^64 of those. Empty for anything that is not an address: such requests count as one client together.
 */
export function clientNetwork(address: string): string {
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return '';
  const groups = groupsOf(address.replace(/%.*$/, ''));
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [groups[6]!, groups[7]!].map((group) => `${group >> 8}.${group & 0xff}`).join('.');
  return groups
    .slice(0, NETWORK_GROUPS)
    .map((group) => group.toString(16))
    .join(':');
}

/** The eight groups of an IPv6 address without a zone. */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const before = written(head);
  if (tail === undefined) return before;
  const after = written(tail);
  return [...before, ...new Array<number>(GROUPS - before.length - after.length).fill(0), ...after];
}

/** The last 32 bits may be written as an IPv4 address. */
function written(groups: string): number[] {
  if (groups === '') return [];
  return groups.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number];
    return [(a << 8) | b, (c << 8) | d];
  });
}
