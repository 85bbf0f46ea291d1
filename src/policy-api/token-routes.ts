import type { PolicyAdmin, RotateRequest } from './policy-admin.ts';
import { type AddRoute, idOf, objectOf, SANDBOX, TOKEN, tokenIdOf } from './route.ts';

/** The tokens of a policy. */
export function addTokenRoutes(add: AddRoute, admin: PolicyAdmin): void {
  add(
    {
      method: 'GET',
      url: '/:sandboxId/tokens',
      operationId: 'listTokens',
      summary: 'The tokens, without plaintext or digest.',
      params: SANDBOX,
      answer: 'Tokens',
    },
    async (request) => ({ tokens: await admin.listTokens(idOf(request)) }),
  );
  add(
    {
      method: 'POST',
      url: '/:sandboxId/tokens',
      operationId: 'mintToken',
      summary: 'A new token; this answer alone has its plaintext.',
      params: SANDBOX,
      body: 'MintRequest',
      status: 201,
      answer: 'Minted',
    },
    async (request) => admin.mintToken(idOf(request), objectOf({ body: request.body ?? {} })),
  );
  add(
    {
      method: 'DELETE',
      url: '/:sandboxId/tokens/:tokenId',
      operationId: 'revokeToken',
      summary: 'Revoked; its digest stays refused.',
      params: TOKEN,
      answer: 'Revoked',
    },
    async (request) => admin.revokeToken(idOf(request), tokenIdOf(request)),
  );
  add(
    {
      method: 'POST',
      url: '/:sandboxId/tokens/:tokenId/rotate',
      operationId: 'rotateToken',
      summary: 'Its successor; the old one ends after the overlap.',
      params: TOKEN,
      body: 'RotateRequest',
      status: 201,
      answer: 'Rotated',
    },
    async (request) => {
      const asked = objectOf(request) as unknown as RotateRequest;
      return admin.rotateToken(idOf(request), tokenIdOf(request), asked);
    },
  );
}
