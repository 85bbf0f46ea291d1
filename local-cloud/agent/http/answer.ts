import { Code, ConnectError } from '@connectrpc/connect';
import type { NodeResponse } from './node-messages.ts';

/** Sends an error outside Connect in E2B's form, which repeats the status as `code`. */
export function sendError(response: NodeResponse, status: number, message: string): void {
  sendJson(response, status, { code: status, message }, { 'x-content-type-options': 'nosniff' });
}

export function sendJson(
  response: NodeResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(`${JSON.stringify(body)}\n`);
}

export function sendNothing(response: NodeResponse): void {
  response.writeHead(204, { 'cache-control': 'no-store' });
  response.end();
}

/** Sends an error that the services throw in the form of the file API. */
export function sendThrown(response: NodeResponse, thrown: unknown): void {
  const error = ConnectError.from(thrown);
  sendError(response, statusOf(error.code), error.rawMessage);
}

function statusOf(code: Code): number {
  switch (code) {
    case Code.InvalidArgument:
      return 400;
    case Code.Unauthenticated:
      return 401;
    case Code.NotFound:
      return 404;
    case Code.FailedPrecondition:
      return 406;
    // Only a full disk is reported like this.
    case Code.ResourceExhausted:
      return 507;
    default:
      return 500;
  }
}
