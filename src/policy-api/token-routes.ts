import type { PolicyAdmin } from './policy-admin.ts';
import { type AddRoute, objectOf, SANDBOX, TOKEN } from './route.ts';
import { mintSchema, readRequest, rotateSchema } from './schemas.ts';

/** The tokens of a policy. */
export function addTokenRoutes(add: AddRoute, admin: PolicyAdmin): void {
  add(
    {
      method: 'GET',
      url: '/:sandboxId/tokens',
      operationId: 'listTokens',
      summary: 'List the tokens, without plaintext or digest.',
      params: SANDBOX,
      answer: 'Tokens',
    },
    async ({ sandboxId }) => ({ tokens: await admin.listTokens(sandboxId) }),
  );
  add(
    {
      method: 'POST',
      url: '/:sandboxId/tokens',
      operationId: 'mintToken',
      summary: 'Mint a token; only this answer contains its plaintext.',
      params: SANDBOX,
      body: 'MintRequest',
      status: 201,
      answer: 'Minted',
    },
    async ({ sandboxId }, { body }) =>
      admin.mintToken(sandboxId, readRequest(mintSchema, objectOf(body ?? {}), 'body')),
  );
  add(
    {
      method: 'DELETE',
      url: '/:sandboxId/tokens/:tokenId',
      operationId: 'revokeToken',
      summary: 'Revoke a token; its digest stays refused.',
      params: TOKEN,
      answer: 'Revoked',
    },
    async ({ sandboxId, tokenId }) => admin.revokeToken(sandboxId, tokenId),
  );
  add(
    {
      method: 'POST',
      url: '/:sandboxId/tokens/:tokenId/rotate',
      operationId: 'rotateToken',
      summary: 'Rotate a token; the old one ends after the overlap.',
      params: TOKEN,
      body: 'RotateRequest',
      status: 201,
      answer: 'Rotated',
    },
    async ({ sandboxId, tokenId }, { body }) =>
      admin.rotateToken(sandboxId, tokenId, readRequest(rotateSchema, objectOf(body), 'body')),
  );
}
