import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { toSandgateError } from '#src/errors.js';
import { parseStrictJson } from '#src/policy/strict-json.js';
import { type Answer, NO_KEY, refusal, WRONG_KEY } from './answer.ts';
import type { ApiRequest, Operations } from './operations.ts';

export interface ApiOptions {
  operations: Operations;
  isKey(presented: string): boolean;
  /** The domain of sandbox URLs for a client that used this Host. */
  domainOf(host: string | undefined): string;
  onFault(error: unknown): void;
}

const BODY_MAX = 1024 * 1024;

/** The control plane's HTTP API, not yet listening. */
export function createApi({ operations, isKey, domainOf, onFault }: ApiOptions): FastifyInstance {
  const app = fastify({ bodyLimit: BODY_MAX, forceCloseConnections: true, exposeHeadRoutes: false });
  app.get('/health', async (_request, reply) => reply.code(200).type('text/plain').send('ok'));

  void app.register(async (guarded) => {
    guarded.addHook('onRequest', async (request, reply) => {
      const key = request.headers['x-api-key'];
      if (typeof key !== 'string' || key === '') return send(reply, NO_KEY);
      if (!isKey(key)) return send(reply, WRONG_KEY);
    });
    // SDKs send `application/json` with an empty body.
    guarded.removeContentTypeParser('application/json');
    guarded.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      async (_: FastifyRequest, text: string) => (text === '' ? undefined : readBody(text)),
    );
    const route = (
      method: 'GET' | 'POST' | 'PUT' | 'DELETE',
      url: string,
      work: (request: ApiRequest) => Promise<Answer>,
    ) =>
      guarded.route({
        method,
        url,
        handler: async (request, reply) => send(reply, await work(apiRequest(request, domainOf))),
      });
    route('POST', '/sandboxes', (request) => operations.create(request, 'v1'));
    route('POST', '/v2/sandboxes', (request) => operations.create(request, 'v2'));
    route('POST', '/sandboxes/:id/connect', (request) => operations.connect(request, 'v1'));
    route('POST', '/v2/sandboxes/:id/connect', (request) => operations.connect(request, 'v2'));
    route('GET', '/sandboxes', (request) => operations.list(request, 'v1'));
    route('GET', '/v2/sandboxes', (request) => operations.list(request, 'v2'));
    route('GET', '/sandboxes/:id', (request) => operations.get(request));
    route('DELETE', '/sandboxes/:id', (request) => operations.kill(request));
    route('POST', '/sandboxes/:id/timeout', (request) => operations.timeout(request));
    route('POST', '/sandboxes/:id/pause', (request) => operations.pause(request));
    route('POST', '/sandboxes/:id/resume', (request) => operations.resume(request));
    route('PUT', '/sandboxes/:id/network', (request) => operations.network(request));
  });

  app.setNotFoundHandler((_request, reply) => send(reply, refusal(404, 'no matching operation was found')));
  app.setErrorHandler((thrown, _request, reply) => send(reply, faultAnswer(thrown, onFault)));
  return app;
}

/**
 * The domain of sandbox URLs for a client: the Host of its request without `api.`, with its port, so that a name or port
 * that reaches the API (a tunnel, a published port) also reaches the sandboxes. `fallback` for any other Host.
 */
export function domainOfHost(host: string | undefined, domains: readonly string[], fallback: string): string {
  const match = /^api\.([a-z0-9.-]+)(:\d{1,5})?$/.exec(host?.toLowerCase() ?? '');
  const [, domain = '', port = ''] = match ?? [];
  return domains.includes(domain) ? `${domain}${port}` : fallback;
}

function apiRequest(request: FastifyRequest, domainOf: ApiOptions['domainOf']): ApiRequest {
  const { id = '' } = (request.params ?? {}) as { id?: string };
  return { id, body: request.body, query: request.query, domain: domainOf(request.headers.host) };
}

function send(reply: FastifyReply, { status, body, headers = {} }: Answer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

/** Strict like a policy: a repeated `allowPublicTraffic` must not mean one thing here and another to whoever checked it. */
function readBody(text: string): unknown {
  const read = parseStrictJson(text);
  if ('value' in read) return read.value;
  throw new InvalidBody(read.fault.problem);
}

/** The body of a request is not JSON, or ambiguous. */
class InvalidBody extends Error {}

/** A client's mistake keeps its status; an internal fault is named without its details. */
function faultAnswer(thrown: unknown, onFault: (error: unknown) => void): Answer {
  if (thrown instanceof InvalidBody) {
    return refusal(400, `Error when parsing request: body: is not JSON: ${thrown.message}`);
  }
  const { statusCode = 500 } = thrown as { statusCode?: number };
  const { code, message } = toSandgateError(thrown);
  if (statusCode < 500) return refusal(statusCode, `Error when parsing request: ${message}`);
  onFault(thrown);
  switch (code) {
    case 'API_UNREACHABLE':
    case 'STORE_UNAVAILABLE':
      return refusal(503, 'The policy of the sandbox could not be written: no gate answered');
    case 'POLICY_INVALID':
      return refusal(400, message);
    case 'SANDBOX_FAILED':
    case 'STATE_UNUSABLE':
      return refusal(500, message);
    default:
      return refusal(500, 'Internal error, see the log of the local cloud');
  }
}
