import { SandgateError } from '../errors.ts';
import { TOKENS_MAX, type StoredToken as Token } from '../policy/record.ts';
import type { Access } from './access-change.ts';
import type { MintRequest, TokenInfo } from './policy-admin.ts';

/** The id and digest of a token to be made. `now`: milliseconds since 1970. */
export interface NewToken {
  id: string;
  sha256: string;
  now: number;
}

/** Adds a token. Throws TOKEN_EXISTS. */
export function mint(access: Access, made: NewToken, request: MintRequest): { access: Access; token: Token } {
  const { label, ports, incarnation, ttlSeconds } = request;
  const expiresAt = ttlSeconds === undefined ? request.expiresAt : timeAt(made.now + ttlSeconds * 1000);
  const token: Token = {
    id: made.id,
    sha256: made.sha256,
    ...(label !== undefined && { label }),
    createdAt: timeAt(made.now),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(ports !== undefined && { ports }),
    ...(incarnation !== undefined && { incarnation }),
  };
  if (access.tokens.some(({ id }) => id === token.id)) throw tokenExists();
  return { access: { ...access, tokens: [...withRoom(access.tokens, made.now), token] }, token };
}

/** Moves the token's digest to the revoked ones. Throws TOKEN_UNKNOWN. */
export function revoke(access: Access, tokenId: string): { access: Access; token: Token } {
  const token = find(access, tokenId);
  // Another id may have the same digest; it must go too, or the store refuses the write.
  const tokens = access.tokens.filter(({ sha256 }) => sha256 !== token.sha256);
  const revoked = [...new Set([...access.revoked, token.sha256])];
  return { access: { ...access, tokens, revoked }, token };
}

/** Adds the successor of a token and ends the old one after the overlap. Throws TOKEN_UNKNOWN, TOKEN_EXISTS. */
export function rotate(
  access: Access,
  tokenId: string,
  made: NewToken,
  overlapSeconds: number,
): { access: Access; token: Token; previous?: Token } {
  const old = find(access, tokenId);
  const { label, ports, incarnation } = old;
  const inherited = {
    ...(label !== undefined && { label }),
    ...(ports !== undefined && { ports }),
    ...(incarnation !== undefined && { incarnation }),
  };
  if (overlapSeconds === 0) return mint(revoke(access, tokenId).access, made, inherited);
  const previous = endingAt(old, made.now + overlapSeconds * 1000);
  const tokens = access.tokens.map((token) => (token.id === tokenId ? previous : token));
  return { ...mint({ ...access, tokens }, made, inherited), previous };
}

/** A token that expires sooner stays unchanged. */
function endingAt(token: Token, end: number): Token {
  const endsSooner = token.expiresAt !== undefined && Date.parse(token.expiresAt) <= end;
  return endsSooner ? token : { ...token, expiresAt: timeAt(end) };
}

function find(access: Access, tokenId: string): Token {
  const token = access.tokens.find(({ id }) => id === tokenId);
  if (token !== undefined) return token;
  // The id is not repeated: people pass the token itself in its place.
  throw new SandgateError('TOKEN_UNKNOWN', 'there is no token with that id', {
    field: 'tokenId',
    remedy: 'list the tokens of the sandbox',
  });
}

/** Rotation leaves expired tokens behind; they are removed once the list is full. */
function withRoom(tokens: Token[], now: number): Token[] {
  if (tokens.length < TOKENS_MAX) return tokens;
  return tokens.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > now);
}

function tokenExists(): SandgateError {
  return new SandgateError('TOKEN_EXISTS', 'there is already a token with that id', {
    field: 'id',
    remedy: 'choose another id, or omit it',
  });
}

function timeAt(ms: number): string {
  return new Date(ms).toISOString();
}

/** The parts of a token that may be shown; of its digest, only a fingerprint. */
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
