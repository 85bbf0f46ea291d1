import { createHash, timingSafeEqual } from 'node:crypto';

export const UNAUTHORIZED =
  'unauthorized access, please provide a valid access token or method signing if supported';

export interface SignedQuery {
  /** As in the query, before anything is resolved. */
  path: string;
  operation: 'read' | 'write';
  username: string;
  signature: string;
  /** Unix seconds, as in the query. */
  expiration: string | undefined;
}

/** The access token of the sandbox, and the control plane's key. No token: every request is let in. */
export class Access {
  #token: string | undefined;
  readonly #initKey: string | undefined;

  constructor(token: string | undefined, initKey: string | undefined) {
    this.#token = token || undefined;
    this.#initKey = initKey || undefined;
  }

  admits(presented: string | undefined): boolean {
    return this.#token === undefined || (presented !== undefined && equal(this.#token, presented));
  }

  /** `undefined`: the signed URL holds. Otherwise why not, in E2B's words. */
  refuseSigned(query: SignedQuery, now: Date): string | undefined {
    if (this.#token === undefined) return undefined;
    const { path, operation, username, signature, expiration } = query;
    const parts = [path, operation, username, this.#token];
    if (expiration !== undefined) parts.push(expiration);
    const digest = createHash('sha256').update(parts.join(':')).digest('base64').replace(/=+$/, '');
    if (!equal(`v1_${digest}`, signature)) return 'invalid signature';
    if (expiration === undefined) return undefined;
    const until = /^\d{1,15}$/.test(expiration) ? Number(expiration) : 0;
    return until < Math.floor(now.getTime() / 1000) ? 'signature is already expired' : undefined;
  }

  /**
   * Who may call `/init`: whoever holds the init key; where none was set, whoever knows the present token. An agent
   * without either is never initialised over the wire, or the first process in the sandbox could do it.
   */
  mayInit(key: string | undefined, token: string | undefined): boolean {
    if (this.#initKey !== undefined) return key !== undefined && equal(this.#initKey, key);
    return this.#token !== undefined && token !== undefined && equal(this.#token, token);
  }

  replaceToken(token: string): void {
    this.#token = token;
  }
}

/** In constant time, over digests: lengths tell nothing. */
function equal(secret: string, presented: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(secret), digest(presented));
}
