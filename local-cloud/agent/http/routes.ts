import { json } from 'node:stream/consumers';
import { type Access, UNAUTHORIZED } from '../access.ts';
import type { Accounts } from '../account/accounts.ts';
import { download } from '../files/download.ts';
import { readFileRequest } from '../files/file-request.ts';
import { upload } from '../files/upload.ts';
import { InitialState, type SandboxDefaults } from '../sandbox-defaults.ts';
import { sendError, sendJson, sendNothing, sendThrown } from './answer.ts';
import { headerOf, type NodeHandler, type NodeRequest, type NodeResponse } from './node-messages.ts';

/** The control plane's key, see `Access.mayInit`. */
const INIT_KEY = 'x-sandgate-init-key';

export interface RouteParts {
  access: Access;
  accounts: Accounts;
  defaults: SandboxDefaults;
  now: () => Date;
  /** The Connect services. Only requests with the token reach them. */
  rpc: NodeHandler;
}

const EXPOSED = [
  'Connect-Content-Encoding',
  'Content-Encoding',
  'Content-Disposition',
  // envd does not expose these two; a viewer in a browser needs them to read a file in parts.
  'Accept-Ranges',
  'Content-Range',
  'Grpc-Status',
  'Grpc-Message',
  'Grpc-Status-Details-Bin',
];

/** Handles every request to the agent. */
export function createRoutes(parts: RouteParts): NodeHandler {
  const { access, defaults } = parts;
  return (request, response) => {
    response.on('error', () => {});
    allowAnyOrigin(response);
    if (isPreflight(request)) return answerPreflight(response);
    const { pathname, query } = targetOf(request);
    const answer = (work: Promise<void>) => void work.catch((error) => sendThrown(response, error));
    switch (`${request.method} ${pathname}`) {
      case 'GET /health':
      case 'HEAD /health':
        return sendNothing(response);
      // These three do their own access checks.
      case 'POST /init':
        return answer(init(request, response, parts));
      case 'GET /files':
      case 'HEAD /files':
        return answer(get(request, response, query, parts));
      case 'POST /files':
        return answer(post(request, response, query, parts));
    }
    if (!access.admits(headerOf(request, 'x-access-token'))) return sendError(response, 401, UNAUTHORIZED);
    if (request.method === 'GET' && pathname === '/envs') {
      return sendJson(response, 200, defaults.envs, { 'cache-control': 'no-store' });
    }
    parts.rpc(request, response);
  };
}

function targetOf(request: NodeRequest): { pathname: string; query: URLSearchParams } {
  const [pathname = '', ...query] = (request.url ?? '').split('?');
  return { pathname, query: new URLSearchParams(query.join('?')) };
}

async function get(
  request: NodeRequest,
  response: NodeResponse,
  query: URLSearchParams,
  parts: RouteParts,
): Promise<void> {
  await download(request, response, readFileRequest(request, query, 'read', parts));
}

async function post(
  request: NodeRequest,
  response: NodeResponse,
  query: URLSearchParams,
  parts: RouteParts,
): Promise<void> {
  sendJson(response, 200, await upload(request, readFileRequest(request, query, 'write', parts)));
}

async function init(
  request: NodeRequest,
  response: NodeResponse,
  { access, defaults }: RouteParts,
): Promise<void> {
  const length = Number(headerOf(request, 'content-length') ?? Number.NaN);
  // The gate blocks this path from outside, so such a request can only come from a process in the sandbox.
  const key = headerOf(request, INIT_KEY);
  if (!access.mayInit(key, headerOf(request, 'x-access-token')))
    return sendError(response, 401, UNAUTHORIZED);
  if (!(length <= 1 << 20)) return sendError(response, 411, 'content-length is missing or above 1 MiB');
  const body = length === 0 ? {} : await json(request).catch(() => undefined);
  const state = InitialState.safeParse(body);
  if (!state.success) return sendError(response, 400, 'the body is not an initial state');
  if (state.data.accessToken) access.replaceToken(state.data.accessToken);
  defaults.apply(state.data);
  sendNothing(response);
}

/** Scripts of any origin may call the agent: it requires the token, which browsers never send on their own. */
function allowAnyOrigin(response: NodeResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', EXPOSED.join(', '));
}

function isPreflight(request: NodeRequest): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
}

function answerPreflight(response: NodeResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    // `*` does not cover Authorization.
    'access-control-allow-headers': '*, Authorization',
    'access-control-max-age': '7200',
  });
  response.end();
}
