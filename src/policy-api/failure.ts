import type { Socket } from 'node:net';
import type { FastifyError } from 'fastify';
import { type ErrorCode, SandgateError, toSandgateError } from '../errors.ts';

/** The body of every answer that is not 2xx. */
export interface FailureBody {
  code: ErrorCode;
  message: string;
  field?: string;
  currentVersion?: string;
  remedy?: string;
}

/** Any other code is a fault in Sandgate: 500. */
const STATUSES: Partial<Record<ErrorCode, number>> = {
  INPUT_INVALID: 400,
  REQUEST_INVALID: 400,
  POLICY_INVALID: 400,
  UNAUTHORIZED: 401,
  STORE_READ_ONLY: 403,
  SANDBOX_UNKNOWN: 404,
  TOKEN_UNKNOWN: 404,
  ROUTE_UNKNOWN: 404,
  METHOD_REFUSED: 405,
  VERSION_CONFLICT: 409,
  TOKEN_REVOKED: 409,
  TOKEN_EXISTS: 409,
  // It blocks writes until it is deleted or written whole.
  POLICY_UNREADABLE: 409,
  REQUEST_TOO_LARGE: 413,
  CONTENT_REFUSED: 415,
  HOST_REFUSED: 421,
  TOO_MANY_REQUESTS: 429,
  STORE_UNAVAILABLE: 503,
  STORE_CORRUPT: 503,
};

export function failureStatus(error: SandgateError): number {
  return STATUSES[error.code] ?? 500;
}

export function failureBody(error: SandgateError): FailureBody {
  const { code, field, currentVersion, remedy } = error;
  // An unexpected error's message may contain anything; it is only logged.
  const message = failureStatus(error) === 500 ? "a fault in Sandgate; see the gate's log" : error.message;
  return {
    code,
    message,
    ...(field !== undefined && { field }),
    ...(currentVersion !== undefined && { currentVersion }),
    ...(remedy !== undefined && { remedy }),
  };
}

/** Fastify's errors as Sandgate's. Their messages are not passed on, because some quote the body. */
export function translateFastify(thrown: unknown): SandgateError {
  if (thrown instanceof SandgateError) return thrown;
  const { code = '', statusCode } = (thrown ?? {}) as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new SandgateError('REQUEST_TOO_LARGE', 'the body is larger than 1 MiB', {
      remedy: 'split it into several requests',
    });
  }
  if (statusCode === 415 || code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return contentRefused();
  if (code === 'FST_ERR_BAD_URL' || statusCode === 414) {
    return new SandgateError('REQUEST_INVALID', 'the path cannot be read', { field: 'path' });
  }
  if (statusCode === 400)
    return new SandgateError('INPUT_INVALID', 'the body is not JSON', { field: 'body' });
  return toSandgateError(thrown);
}

export function contentRefused(): SandgateError {
  return new SandgateError('CONTENT_REFUSED', 'the body must be declared as application/json', {
    field: 'content-type',
    remedy: 'send the header `Content-Type: application/json`',
  });
}

/** Status and message by Node's error code. */
const FAULTS: Record<string, [status: string, fault: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are larger than 16 KiB'],
};
const UNREADABLE = ['400 Bad Request', 'this is not a valid HTTP request'] as const;

/** Answers bytes that are not an HTTP request, for which Node makes no request object. */
export function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, fault] = FAULTS[error.code ?? ''] ?? UNREADABLE;
  const body = JSON.stringify(failureBody(new SandgateError('REQUEST_INVALID', fault)));
  socket.write(
    [
      `HTTP/1.1 ${status}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  // `end` alone would keep the connection until the client ends it too, and only a few hundred are allowed.
  socket.destroySoon();
}
