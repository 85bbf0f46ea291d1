import { createHash, timingSafeEqual } from 'node:crypto';
import { type Endpoint, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { listedHosts, withoutPort } from '../http-guard.ts';

export interface Admission {
  isAllowedHost(host: string | undefined): boolean;
  /** Undefined on a Unix socket, where the file mode restricts access. */
  hasKey: KeyCheck | undefined;
}

/** Checks a request's headers before anything else of it is read. Throws HOST_REFUSED, UNAUTHORIZED. */
export function admit({ isAllowedHost, hasKey }: Admission, headers: NodeJS.Dict<string | string[]>): void {
  if (!isAllowedHost(headers.host as string | undefined)) {
    throw new SandgateError('HOST_REFUSED', 'the policy API does not answer for this host name', {
      field: 'host',
      remedy: 'use the address that it listens on, or list the name in SANDGATE_POLICY_API_HOSTS',
    });
  }
  if (hasKey !== undefined && !hasKey(headers.authorization as string | undefined)) {
    // The same answer for a missing key and for a wrong one.
    throw new SandgateError('UNAUTHORIZED', 'this policy API requires a key', {
      field: 'authorization',
      remedy:
        'send `Authorization: Bearer <key>` with a key of SANDGATE_POLICY_API_KEYS or SANDGATE_POLICY_API_KEYS_FILE',
    });
  }
}

/** Makes the check of a request's Host. On a Unix socket any port is accepted: a tunnel to it may listen on any. */
export function allowedHosts(
  listen: Endpoint,
  more: readonly string[],
): (host: string | undefined) => boolean {
  if ('path' in listen) {
    const isListed = listedHosts(['localhost', '127.0.0.1', '[::1]', ...more]);
    return (host = '') => isListed(host);
  }
  const own = new Set(
    [formatAddress(listen), `localhost:${listen.port}`].flatMap((name) =>
      // Clients omit the default port of the scheme.
      listen.port === 80 ? [name, withoutPort(name)] : [name],
    ),
  );
  const isListed = listedHosts(more);
  return (host = '') => own.has(host.toLowerCase()) || isListed(host);
}

/** True if the `Authorization` header contains one of the keys. */
type KeyCheck = (authorization: string | undefined) => boolean;

/** Keeps only the keys' digests. Takes the same time for every key, and for none. */
export function createKeyCheck(keys: readonly string[]): KeyCheck {
  const digests = keys.map(digestOf);
  return (authorization = '') => {
    const presented = digestOf(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
    let matches = 0;
    for (const digest of digests) matches |= Number(timingSafeEqual(digest, presented));
    return matches === 1;
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
