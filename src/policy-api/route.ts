import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sandboxIdSchema } from '../policy/record.ts';
import { type Operation, operationSchema } from './document.ts';
import { readRequest, requestInvalid, tokenIdSchema } from './schemas.ts';

/** What every route is made with; `url` is below `/v1/policies`. */
export type AddRoute = (
  route: Operation & { method: 'GET' | 'POST' | 'PUT' | 'DELETE'; url: string },
  handle: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
) => void;

export const SANDBOX = { sandboxId: sandboxIdSchema };
export const TOKEN = { ...SANDBOX, tokenId: tokenIdSchema };

export function routeAdder(app: FastifyInstance): AddRoute {
  return ({ method, url, ...operation }, handle) => {
    const { params = {}, query, status = 200 } = operation;
    app.route({
      method,
      url: `/v1/policies${url}`,
      schema: operationSchema(operation),
      handler: async (request, reply) => {
        readRequest(z.strictObject(params), request.params, 'path');
        if (query === undefined) readRequest(z.strictObject({}), request.query, 'query');
        const answer = await handle(request, reply);
        return reply.code(status).send(answer);
      },
    });
  };
}

export const idOf = (request: FastifyRequest) => (request.params as { sandboxId: string }).sandboxId;
export const tokenIdOf = (request: FastifyRequest) => (request.params as { tokenId: string }).tokenId;

/** The body of a request. Throws REQUEST_INVALID. */
export function objectOf({ body }: Pick<FastifyRequest, 'body'>): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw requestInvalid('body', 'must be an object');
}

/** Learns the routes that are added from now on; tells the methods of a path, none where it has no route. */
export function offeredMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { path: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    const path = new RegExp(`^${url.replace(/:\w+/g, '[^/]+').replaceAll('.', '\\.')}$`);
    routes.push({ path, methods: [method].flat() });
  });
  return (url) => {
    const path = url.split(/[?#;]/)[0]!;
    const methods = routes.filter((route) => route.path.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  };
}
