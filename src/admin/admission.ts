import { SandgateError } from '../errors.ts';
import type { KeyCheck } from './api-keys.ts';

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
      remedy: 'Ask by the address that it listens on, or list the name in SANDGATE_ADMIN_HOSTS.',
    });
  }
  if (hasKey !== undefined && !hasKey(headers.authorization as string | undefined)) {
    // The same answer to no key and to a wrong one.
    throw new SandgateError('UNAUTHORIZED', 'A key of this policy API is needed.', {
      field: 'authorization',
      remedy:
        'Send `Authorization: Bearer <key>` with a key of SANDGATE_ADMIN_KEYS or SANDGATE_ADMIN_KEYS_FILE.',
    });
  }
}
