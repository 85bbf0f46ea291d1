import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** Node's two kinds of request and response. The agent uses only what both have in common. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse<IncomingMessage> | Http2ServerResponse;
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => void;

/** A header that may occur once. Several values are joined, so that they do not equal any valid value. */
export function headerOf(request: NodeRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
