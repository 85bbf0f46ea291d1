import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Endpoint, formatAddress } from '../address.ts';
import { SandgateError } from '../errors.ts';
import { keyFault } from '../setting-parsers.ts';

export interface Admission {
  isAllowedHost(host: string | undefined): boolean;
  /** Undefined on a socket, whose file mode is the key. */
  hasKey: KeyCheck | undefined;
}

/** Judges a request by its headers alone, before anything else of it is looked at. Throws HOST_REFUSED, UNAUTHORIZED. */
export function admit({ isAllowedHost, hasKey }: Admission, headers: NodeJS.Dict<string | string[]>): void {
  if (!isAllowedHost(headers.host as string | undefined)) {
    throw new SandgateError('HOST_REFUSED', 'This host name is not one that the policy API answers for.', {
      field: 'host',
      remedy: 'Ask by the address that it listens on, or list the name in SANDGATE_POLICY_API_HOSTS.',
    });
  }
  if (hasKey !== undefined && !hasKey(headers.authorization as string | undefined)) {
    // The same answer to no key and to a wrong one.
    throw new SandgateError('UNAUTHORIZED', 'A key of this policy API is needed.', {
      field: 'authorization',
      remedy:
        'Send `Authorization: Bearer <key>` with a key of SANDGATE_POLICY_API_KEYS or SANDGATE_POLICY_API_KEYS_FILE.',
    });
  }
}

/**
 * Tells whether a request's Host is one of ours. A page whose name was made to resolve to this machine (DNS
 * rebinding) still sends its own name. Behind a socket any port will do: a tunnel's end has one of its own choice.
 */
export function allowedHosts(
  listen: Endpoint,
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

/** Tells whether an `Authorization` header holds one of the keys. Only their digests are kept. */
type KeyCheck = (authorization: string | undefined) => boolean;

/** Every key takes the same path, and so does no key at all. */
export function createKeyCheck(keys: readonly string[]): KeyCheck {
  const digests = keys.map(digestOf);
  return (authorization = '') => {
    const presented = digestOf(/^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '');
    let matches = 0;
    for (const digest of digests) matches |= Number(timingSafeEqual(digest, presented));
    return matches === 1;
  };
}

/** One key a line; blank lines are skipped. Throws SETTINGS_INVALID. */
export function readKeysFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw keysFileInvalid(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const faults = keys.map(keyFault);
  const bad = faults.findIndex((fault) => fault !== undefined);
  if (bad >= 0) throw keysFileInvalid(`${path}, key ${bad + 1}: ${faults[bad]}`);
  if (keys.length === 0) throw keysFileInvalid(`${path} holds no key`);
  return keys;
}

function keysFileInvalid(reason: string, cause?: unknown): SandgateError {
  return new SandgateError(
    'SETTINGS_INVALID',
    `SANDGATE_POLICY_API_KEYS_FILE (--policy-api-keys-file): ${reason}`,
    {
      remedy: 'make a key with `openssl rand -hex 32`, one a line',
      cause,
    },
  );
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
