import { type Address, formatAddress } from '../address.ts';

/**
 * Tells whether a request's Host is one of ours. A page whose name was made to resolve to this machine (DNS
 * rebinding) still sends its own name. Behind a socket any port will do: a tunnel's end has one of its own choice.
 */
export function allowedHosts(
  listen: { path: string } | Address,
  more: readonly string[],
): (host: string | undefined) => boolean {
  const names =
    'path' in listen
      ? ['localhost', '127.0.0.1', '[::1]']
      : [formatAddress(listen), `localhost:${listen.port}`].flatMap((name) =>
          // Clients leave out the port that their scheme implies.
          listen.port === 80 ? [name, withoutPort(name)] : [name],
        );
  const allowed = new Set([...names, ...more].map((name) => name.toLowerCase()));
  const anyPort = 'path' in listen ? allowed : new Set(more.map((name) => name.toLowerCase()));
  return (host = '') => allowed.has(host.toLowerCase()) || anyPort.has(withoutPort(host.toLowerCase()));
}

function withoutPort(host: string): string {
  return host.replace(/:\d{1,5}$/, '');
}
