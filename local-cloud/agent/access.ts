import { createHash, timingSafeEqual } from 'node:crypto';

export const UNAUTHORIZED =
  'unauthorized access, please provide a valid access token or method signing if supported';

export interface SignedQuery {
  /** As in the query, not resolved. */
  path: string;
  operation: 'read' | 'write';
  username: string;
  signature: string;
  /** Unix seconds, as in the query. */
  expiration: string | undefined;
}

/** Checks the sandbox's access token and the control plane's key. Without a token, every request is allowed. */
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

  /** Returns undefined for a valid signed URL, else the reason in E2B's words. */
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
   * Whether a request may call `/init`: with the init key if one is set, else with the current token. An agent that has
   * neither is never initialized over the network, or the first process in the sandbox could do it.
   */
  mayInit(key: string | undefined, token: string | undefined): boolean {
    if (this.#initKey !== undefined) return key !== undefined && equal(this.#initKey, key);
    return this.#token !== undefined && token !== undefined && equal(this.#token, token);
  }

  replaceToken(token: string): void {
    this.#token = token;
  }
}

/** Compares digests in constant time, so that timing does not reveal the length. */
function equal(secret: string, presented: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(secret), digest(presented));
}
