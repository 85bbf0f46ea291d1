import type { z } from 'zod';
import type { PartName, UnreadRecord } from '../policy/record.ts';
import type {
  inForceSchema,
  listSchema,
  mintedSchema,
  mintSchema,
  revokedSchema,
  rotatedSchema,
  rotateSchema,
  tokenInfoSchema,
} from './schemas.ts';

/**
 * The operations of the policy API. The HTTP server offers them, the HTTP client calls them at a running gate, and
 * the CLI calls them directly on the store if no gate runs. All throw `SandgateError`s with the same codes.
 */
export interface PolicyAdmin {
  /** Throws SANDBOX_UNKNOWN, POLICY_UNREADABLE. */
  get(sandboxId: string): Promise<UnreadRecord>;
  /** Ids in ascending order. */
  list(page: ListRequest): Promise<ListPage>;
  /**
   * Writes records in input form (`record.ts`), all or nothing, in one transaction. Versions inside them are the
   * expected versions; `create` refuses an existing id. Throws POLICY_INVALID, VERSION_CONFLICT, TOKEN_REVOKED.
   */
  put(records: readonly unknown[], options?: { create?: boolean }): Promise<Written>;
  /** Writes one part, in input form. `expected`: its current version. */
  putPart(sandboxId: string, part: PartName, input: unknown, expected?: string): Promise<Written>;
  delete(sandboxId: string): Promise<InForceAt>;

  listTokens(sandboxId: string): Promise<TokenInfo[]>;
  /** Only this answer contains the plaintext. */
  mintToken(sandboxId: string, request: MintRequest): Promise<Minted>;
  /** The digest stays refused for as long as the id exists. Throws TOKEN_UNKNOWN. */
  revokeToken(sandboxId: string, tokenId: string): Promise<Revoked>;
  /** Makes a token with the label, ports and incarnation of the old one, which ends after the overlap (0: at once). */
  rotateToken(sandboxId: string, tokenId: string, request: RotateRequest): Promise<Rotated>;
}

export type ListRequest = z.infer<typeof listSchema>;

export interface ListPage {
  records: UnreadRecord[];
  /** The `after` of the next page; absent on the last page. */
  next?: string;
}

/** Whether a write is in force at every live gate of the state folder, which is waited for up to 2 s. */
export type InForceAt = z.infer<typeof inForceSchema>;

export interface Written extends InForceAt {
  records: UnreadRecord[];
}

/** A token without its plaintext or digest. Times are RFC 3339. */
export type TokenInfo = z.infer<typeof tokenInfoSchema>;

export type MintRequest = z.infer<typeof mintSchema>;
export type Minted = z.infer<typeof mintedSchema>;
export type Revoked = z.infer<typeof revokedSchema>;
export type RotateRequest = z.infer<typeof rotateSchema>;
export type Rotated = z.infer<typeof rotatedSchema>;
