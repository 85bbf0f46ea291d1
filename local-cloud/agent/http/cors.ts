import type { NodeRequest, NodeResponse } from './node-messages.ts';

const EXPOSED = [
  'Connect-Content-Encoding',
  'Content-Encoding',
  'Content-Disposition',
  'Grpc-Status',
  'Grpc-Message',
  'Grpc-Status-Details-Bin',
];

/** Scripts of any origin may call the agent: it goes by the token, and no browser sends that by itself. */
export function allowAnyOrigin(response: NodeResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', EXPOSED.join(', '));
}

export function isPreflight(request: NodeRequest): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
}

export function answerPreflight(response: NodeResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    // `*` does not cover Authorization.
    'access-control-allow-headers': '*, Authorization',
    'access-control-max-age': '7200',
  });
  response.end();
}
