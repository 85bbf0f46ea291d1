import type { TokenInfo } from './policy-admin.ts';
import type { Token } from './token-edits.ts';

/** What may be shown of a token: of its digest no more than a fingerprint. */
export function tokenInfo(token: Token): TokenInfo {
  const { id, sha256, label, createdAt, expiresAt, ports, incarnation } = token;
  return {
    id,
    fingerprint: sha256.slice(0, 8),
    ...(label !== undefined && { label }),
    createdAt,
    ...(expiresAt !== undefined && { expiresAt }),
    ...(ports !== undefined && { ports }),
    ...(incarnation !== undefined && { incarnation }),
  };
}
