import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { toSandgateError } from '#src/errors.js';
import { type Answer, NO_KEY, refusal, WRONG_KEY } from './answer.ts';
import type { Asked, Operations } from './operations.ts';

export interface ApiOptions {
  operations: Operations;
  isKey(presented: string): boolean;
  /** The domain of sandbox URLs for whoever asked at this Host. */
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
    // SDKs say `application/json` and send nothing.
    guarded.removeContentTypeParser('application/json');
    guarded.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      async (_: FastifyRequest, text: string) => (text === '' ? undefined : JSON.parse(text)),
    );
    const route = (
      method: 'GET' | 'POST' | 'PUT' | 'DELETE',
      url: string,
      work: (asked: Asked) => Promise<Answer>,
    ) =>
      guarded.route({
        method,
        url,
        handler: async (request, reply) => send(reply, await work(askedOf(request, domainOf))),
      });
    route('POST', '/sandboxes', (asked) => operations.create(asked, 'v1'));
    route('POST', '/v2/sandboxes', (asked) => operations.create(asked, 'v2'));
    route('POST', '/sandboxes/:id/connect', (asked) => operations.connect(asked, 'v1'));
    route('POST', '/v2/sandboxes/:id/connect', (asked) => operations.connect(asked, 'v2'));
    route('GET', '/sandboxes', (asked) => operations.list(asked, 'v1'));
    route('GET', '/v2/sandboxes', (asked) => operations.list(asked, 'v2'));
    route('GET', '/sandboxes/:id', (asked) => operations.get(asked));
    route('DELETE', '/sandboxes/:id', (asked) => operations.kill(asked));
    route('POST', '/sandboxes/:id/timeout', (asked) => operations.timeout(asked));
    route('POST', '/sandboxes/:id/pause', (asked) => operations.pause(asked));
    route('POST', '/sandboxes/:id/resume', (asked) => operations.resume(asked));
    route('PUT', '/sandboxes/:id/network', (asked) => operations.network(asked));
  });

  app.setNotFoundHandler((_request, reply) => send(reply, refusal(404, 'no matching operation was found')));
  app.setErrorHandler((thrown, _request, reply) => send(reply, faultAnswer(thrown, onFault)));
  return app;
}

function askedOf(request: FastifyRequest, domainOf: ApiOptions['domainOf']): Asked {
  const { id = '' } = (request.params ?? {}) as { id?: string };
  return { id, body: request.body, query: request.query, domain: domainOf(request.headers.host) };
}

function send(reply: FastifyReply, { status, body, headers = {} }: Answer): FastifyReply {
  return reply.code(status).headers(headers).send(body);
}

/** What the client did wrong keeps its status; a fault of ours says what it is, and not how. */
function faultAnswer(thrown: unknown, onFault: (error: unknown) => void): Answer {
  if (thrown instanceof SyntaxError) return refusal(400, 'Error when parsing request: body: is not JSON');
  const { statusCode = 500 } = thrown as { statusCode?: number };
  const { code, message } = toSandgateError(thrown);
  if (statusCode < 500) return refusal(statusCode, `Error when parsing request: ${message}`);
  onFault(thrown);
  switch (code) {
    case 'API_UNREACHABLE':
    case 'STORE_UNAVAILABLE':
      return refusal(503, 'The policy of the sandbox could not be written: no gate answered');
    case 'SANDBOX_FAILED':
    case 'STATE_UNUSABLE':
      return refusal(500, message);
    default:
      return refusal(500, 'Internal error, see the log of the local cloud');
  }
}
