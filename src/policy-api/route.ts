import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type PolicyPut, sandboxIdSchema, type Unread } from '../policy/record.ts';
import { type Operation, operationSchema } from './document.ts';
import { readRequest, requestInvalid, tokenIdSchema } from './schemas.ts';

/** Adds a route; `url` is relative to `/v1/policies`. The handler gets the path's parameters already read. */
export type AddRoute = <Path extends z.ZodObject>(
  route: Omit<Operation, 'params'> & { method: 'GET' | 'POST' | 'PUT' | 'DELETE'; url: string; params: Path },
  handle: (path: z.infer<Path>, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>,
) => void;

export const SANDBOX = z.strictObject({ sandboxId: sandboxIdSchema });
export const TOKEN = SANDBOX.extend({ tokenId: tokenIdSchema });
export const NO_PARAMS = z.strictObject({});

export function routeAdder(app: FastifyInstance): AddRoute {
  return ({ method, url, ...operation }, handle) => {
    const { params, query, status = 200 } = operation;
    app.route({
      method,
      url: `/v1/policies${url}`,
      schema: operationSchema(operation),
      handler: async (request, reply) => {
        const path = readRequest(params, request.params, 'path');
        if (query === undefined) readRequest(NO_PARAMS, request.query, 'query');
        const answer = await handle(path, request, reply);
        return reply.code(status).send(answer);
      },
    });
  };
}

/** The body of a request, not yet read. Throws REQUEST_INVALID if it is not an object. */
export function objectOf(body: unknown): Unread<PolicyPut> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw requestInvalid('body', 'must be an object');
}

/** Collects the routes added after this call. The function returned gives the methods of a path, none if it has no route. */
export function supportedMethods(app: FastifyInstance): (url: string) => string[] {
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
