import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';

/** An IP address in its one spelling, without brackets, and a TCP port (0: any free one). */
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
 * The one spelling of an IP literal (IPv4 dotted decimal, IPv6 as RFC 5952), or undefined for anything else:
 * host names, zones, and spellings that some resolvers read otherwise (`127.1`, `0x7f.1`, `010.0.0.1`).
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

/** `unix:/path` or `host:port`: as flags, run files and gRPC write it. */
export function formatEndpoint(endpoint: Endpoint): string {
  return 'path' in endpoint ? `unix:${endpoint.path}` : formatAddress(endpoint);
}

/** Reads what `formatEndpoint` wrote; throws as `parseAddress`. */
export function parseEndpoint(text: string): Endpoint {
  return text.startsWith('unix:') ? { path: text.slice('unix:'.length) } : parseAddress(text);
}

/** An address that no other machine reaches. A form that is not known for one does not count. */
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
 * Tells whether an address and port is one of these listeners. A wildcard listener answers on every local address,
 * every loopback address among them, whatever the interfaces have just now.
 */
export function ownListenerTest(listeners: readonly Address[]): (address: string, port: number) => boolean {
  // By port first: it is asked for every request, and hardly ever about one of these.
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
 * What Sandgate listens on and never dials. It grows while a gate starts: the policy API needs rules that know the
 * listeners, and is one itself once it has its port.
 */
export class OwnListeners {
  #all: readonly Address[];
  #test: ReturnType<typeof ownListenerTest>;

  constructor(known: readonly Address[]) {
    this.#all = known;
    this.#test = ownListenerTest(known);
  }

  /** A unix socket is none: no route leads there. */
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
