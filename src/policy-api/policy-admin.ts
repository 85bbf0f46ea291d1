import type { StoredRecord } from '../policy/store.ts';

/**
 * What the policy API offers, whoever asks: the HTTP server puts it on a socket, the CLI calls it straight on the store
 * where no gate runs, and the HTTP client speaks it to a gate that does. All throw `SandgateError`s with the same codes.
 */
export interface PolicyAdmin {
  /** Throws SANDBOX_UNKNOWN, POLICY_UNREADABLE. */
  get(sandboxId: string): Promise<StoredRecord>;
  /** Ids in ascending order. */
  list(page: ListRequest): Promise<ListPage>;
  /**
   * Records in input form (`record.ts`), all or nothing, in one transaction. Versions inside them are the versions
   * expected; `create` refuses an id that is already there. Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED.
   */
  put(records: readonly unknown[], options?: { create?: boolean }): Promise<Written>;
  /** One part alone, in input form. `expected`: its version now. */
  putPart(sandboxId: string, part: PartName, input: unknown, expected?: string): Promise<Written>;
  delete(sandboxId: string): Promise<InForceAt>;

  listTokens(sandboxId: string): Promise<TokenInfo[]>;
  /** The plaintext is in this answer and nowhere else. */
  mintToken(sandboxId: string, request: MintRequest): Promise<Minted>;
  /** Its digest stays refused for as long as the id exists. Throws TOKEN_UNKNOWN. */
  revokeToken(sandboxId: string, tokenId: string): Promise<{ revoked: TokenInfo } & InForceAt>;
  /** A new token with the label, ports and incarnation of the old one, which ends after the overlap (0: at once). */
  rotateToken(sandboxId: string, tokenId: string, request: RotateRequest): Promise<Rotated>;
}

export type PartName = 'runtime' | 'access';

export interface ListRequest {
  /** Exclusive. */
  after?: string;
  /** 1 to 500. */
  limit: number;
  state?: 'running' | 'paused' | 'transitioning';
  idPrefix?: string;
}

export interface ListPage {
  records: StoredRecord[];
  /** The `after` of the next page; absent on the last one. */
  next?: string;
}

/** How far a write has come: in force at every live gate of the state folder, or not after 2 s. */
export interface InForceAt {
  sequence: number;
  /** Live gates of the state folder. */
  gates: number;
  inForce: boolean;
}

export interface Written extends InForceAt {
  records: StoredRecord[];
}

/** A token without its plaintext or digest. Times are RFC 3339. */
export interface TokenInfo {
  id: string;
  /** The first 8 hex characters of the digest. */
  fingerprint: string;
  label?: string;
  createdAt: string;
  expiresAt?: string;
  ports?: number[];
  incarnation?: string;
}

export interface MintRequest {
  /** Absent: `t-` and 8 random hex characters. */
  id?: string;
  label?: string;
  expiresAt?: string;
  /** Instead of `expiresAt`. */
  ttlSeconds?: number;
  ports?: number[];
  incarnation?: string;
}

export interface Minted extends InForceAt {
  /** 64 lower-case hex characters: the value of `e2b-traffic-access-token`. */
  token: string;
  info: TokenInfo;
}

export interface RotateRequest {
  /** 0 to 30 days. */
  overlapSeconds: number;
  /** Of the new token. */
  id?: string;
}

export interface Rotated extends Minted {
  /** Absent where the overlap is 0: then it is revoked. */
  previous?: TokenInfo;
}
