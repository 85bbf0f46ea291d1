import { isUtf8 } from 'node:buffer';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { SandgateError } from '../errors.ts';
import { type Admission, admit } from './admission.ts';
import { addComponents } from './document.ts';
import { contentRefused, failureBody, failureStatus, onClientError, translateFastify } from './failure.ts';
import type { PolicyAdmin } from './policy-admin.ts';
import { addPartRoutes, addPolicyRoutes } from './policy-routes.ts';
import { offeredMethods, routeAdder } from './route.ts';
import { BODY_MAX, requestInvalid } from './schemas.ts';
import { addTokenRoutes } from './token-routes.ts';

export interface AdminServerOptions {
  admin: PolicyAdmin;
  admission: Admission;
  /** Requests a second of one address, the refused ones included; undefined: no bound. */
  mostPerSecond: number | undefined;
  onFault(error: unknown): void;
}

/** A client that dribbles holds a connection no longer than this. */
const REQUEST_WITHIN_MS = 10_000;
/** Node looks for late requests every 30 s otherwise, whatever their bound. */
const CHECK_EVERY_MS = 1000;
/** Longer than any header block, so that a long id is judged by its own rule. */
const PARAM_MAX = 64 * 1024;

/** The policy API, not yet listening. The path of a request: flood, Host, key, method, content type, body. */
export async function createAdminServer(options: AdminServerOptions): Promise<FastifyInstance> {
  const { admin, admission, mostPerSecond, onFault } = options;
  const fail = (reply: FastifyReply, thrown: unknown) => {
    const error = translateFastify(thrown);
    const status = failureStatus(error);
    if (status === 500) onFault(thrown);
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(status).headers(SAFE).send(failureBody(error));
  };
  const app = fastify({
    bodyLimit: BODY_MAX,
    requestTimeout: REQUEST_WITHIN_MS,
    // Node's own bound for headers is longer, and it would take the longer of the two for the body.
    http: { headersTimeout: REQUEST_WITHIN_MS, connectionsCheckingInterval: CHECK_EVERY_MS },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_MAX },
    clientErrorHandler: onClientError,
    // A path that cannot be read reaches no hook, so the key is asked for here.
    frameworkErrors: (error, request, reply) => {
      try {
        admit(admission, request.headers);
        fail(reply, error);
      } catch (refused) {
        fail(reply, refused);
      }
    },
  });
  // The zod readings judge; the schemas of the routes are for the document.
  app.setValidatorCompiler(() => (value) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.removeContentTypeParser(['text/plain', 'application/json']);
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // Many a client declares JSON on each request, also where it sends nothing.
    if (body.length === 0 && mayBeEmpty(request)) done(null, undefined);
    // To Fastify it is the same as no body at all.
    else if (body.toString('latin1').trim() === 'null') done(requestInvalid('body', 'must not be null'));
    // Decoded all the same, what was written would not be what was sent.
    else if (isUtf8(body)) parseJson(request, body.toString('utf8'), done);
    else done(new SandgateError('INPUT_INVALID', 'The body is not UTF-8.', { field: 'body' }));
  });
  app.setErrorHandler((error, _request, reply) => fail(reply, error));

  if (mostPerSecond !== undefined) {
    await app.register(rateLimit, { global: false, errorResponseBuilder: tooManyRequests });
    app.addHook('onRequest', app.rateLimit({ max: mostPerSecond, timeWindow: 1000 }));
  }
  const methods = offeredMethods(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SAFE);
    admit(admission, request.headers);
    if (request.is404) throw notOffered(methods(request.url), reply);
    // A web page may send a POST without a body, or one of text, to any address without asking first.
    const isJson = /^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '');
    if (!isJson && (request.method === 'POST' || request.method === 'PUT')) throw contentRefused();
    if (request.method === 'DELETE' && isWithoutBody(request)) delete request.raw.headers['content-type'];
  });

  addComponents(app);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sandgate policy API',
        version: '1',
        description: 'Errors are listed in docs/errors.md.',
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`),
    },
  });
  const add = routeAdder(app);
  addPolicyRoutes(add, admin);
  addPartRoutes(add, admin, 'runtime');
  addPartRoutes(add, admin, 'access');
  addTokenRoutes(add, admin);
  app.get('/v1/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.ready();
  return app;
}

const SAFE = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

/** A deletion needs no body, and a token can be made of nothing but the path. */
function mayBeEmpty({ method, routeOptions }: FastifyRequest): boolean {
  return method === 'DELETE' || routeOptions.url?.endsWith('/tokens') === true;
}

function isWithoutBody({ headers }: FastifyRequest): boolean {
  return (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
}

function notOffered(methods: string[], reply: FastifyReply): SandgateError {
  if (methods.length === 0) return new SandgateError('ROUTE_UNKNOWN', 'There is nothing at this path.');
  reply.header('allow', methods.join(', '));
  return new SandgateError('METHOD_REFUSED', `This path offers ${methods.join(', ')} only.`);
}

function tooManyRequests(): SandgateError {
  return new SandgateError(
    'TOO_MANY_REQUESTS',
    'This address sends more requests than the policy API takes.',
    {
      remedy: 'Wait a second.',
    },
  );
}
