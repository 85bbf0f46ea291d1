import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { SandgateError } from '../errors.ts';
import { readJson } from '../policy/strict-json.ts';
import { type Admission, admit } from './admission.ts';
import { addComponents } from './document.ts';
import { contentRefused, failureBody, failureStatus, onClientError, translateFastify } from './failure.ts';
import type { PolicyAdmin } from './policy-admin.ts';
import { addPartRoutes, addPolicyRoutes } from './policy-routes.ts';
import { routeAdder, supportedMethods } from './route.ts';
import { BODY_MAX, requestInvalid } from './schemas.ts';
import { addTokenRoutes } from './token-routes.ts';

export interface ApiServerOptions {
  admin: PolicyAdmin;
  admission: Admission;
  /** Most requests per second from one address, refused ones included; undefined: no limit. */
  maxPerSecond: number | undefined;
  onFault(error: unknown): void;
}

/** A slow client cannot hold a connection longer than this. */
const REQUEST_TIMEOUT_MS = 10_000;
/** By default, Node checks for timed-out requests only every 30 s. */
const CHECK_EVERY_MS = 1000;
/** Longer than any header block, so that an id that is too long gets the message of its own rule. */
const PARAM_MAX = 64 * 1024;

/** The policy API, not yet listening. Checks in this order: rate, Host, key, method, content type, body. */
export async function createApiServer(options: ApiServerOptions): Promise<FastifyInstance> {
  const { admin, admission, maxPerSecond, onFault } = options;
  const fail = (reply: FastifyReply, thrown: unknown) => {
    const error = translateFastify(thrown);
    const status = failureStatus(error);
    if (status === 500) onFault(thrown);
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(status).headers(SAFE).send(failureBody(error));
  };
  const app = fastify({
    bodyLimit: BODY_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node's default for headers is longer, and Node applies the longer of the two to the body.
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: CHECK_EVERY_MS },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_MAX },
    clientErrorHandler: onClientError,
    // Requests with an unreadable path run no hook, so the key is checked here.
    frameworkErrors: (error, request, reply) => {
      try {
        admit(admission, request.headers);
        fail(reply, error);
      } catch (refused) {
        fail(reply, refused);
      }
    },
  });
  // Handlers validate with zod; the routes' schemas are only for the OpenAPI document.
  app.setValidatorCompiler(() => (value) => ({ value }));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.removeContentTypeParser(['text/plain', 'application/json']);
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      // Many clients declare JSON on every request, even without a body.
      if (body.length === 0 && mayBeEmpty(request)) return undefined;
      const value = readJson(body, 'the body', { field: 'body' });
      // Fastify would treat it as an absent body.
      if (value === null) throw requestInvalid('body', 'must not be null');
      return value;
    },
  );
  app.setErrorHandler((error, _request, reply) => fail(reply, error));

  if (maxPerSecond !== undefined) {
    await app.register(rateLimit, { global: false, errorResponseBuilder: tooManyRequests });
    app.addHook('onRequest', app.rateLimit({ max: maxPerSecond, timeWindow: 1000 }));
  }
  const methods = supportedMethods(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SAFE);
    admit(admission, request.headers);
    if (request.is404) throw notSupported(methods(request.url), reply);
    // Without a CORS preflight, a web page may send a POST with no body, or with a text body, to any address.
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
        description: 'docs/errors.md lists the error codes.',
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

/** A DELETE has no body, and the body of a mint is optional. */
function mayBeEmpty({ method, routeOptions }: FastifyRequest): boolean {
  return method === 'DELETE' || routeOptions.url?.endsWith('/tokens') === true;
}

function isWithoutBody({ headers }: FastifyRequest): boolean {
  return (headers['content-length'] ?? '0') === '0' && headers['transfer-encoding'] === undefined;
}

function notSupported(methods: string[], reply: FastifyReply): SandgateError {
  if (methods.length === 0) return new SandgateError('ROUTE_UNKNOWN', 'there is nothing at this path');
  reply.header('allow', methods.join(', '));
  return new SandgateError('METHOD_REFUSED', `this path supports only ${methods.join(', ')}`);
}

function tooManyRequests(): SandgateError {
  return new SandgateError(
    'TOO_MANY_REQUESTS',
    'this address sends more requests than the policy API accepts',
    {
      remedy: 'wait a second',
    },
  );
}
