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

/** Whatever is not named here is a fault of ours: 500. */
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
  // It stands in the way until it is deleted or written whole.
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
  // What nobody foresaw may say anything; the log has it.
  const message =
    failureStatus(error) === 500 ? "A fault in Sandgate; the gate's log says more." : error.message;
  return {
    code,
    message,
    ...(field !== undefined && { field }),
    ...(currentVersion !== undefined && { currentVersion }),
    ...(remedy !== undefined && { remedy }),
  };
}

/** The one place that knows Fastify's errors. None of their texts is passed on: some quote the body. */
export function translateFastify(thrown: unknown): SandgateError {
  if (thrown instanceof SandgateError) return thrown;
  const { code = '', statusCode } = (thrown ?? {}) as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new SandgateError('REQUEST_TOO_LARGE', 'The body is larger than 1 MiB.', {
      remedy: 'Write in several requests.',
    });
  }
  if (statusCode === 415 || code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return contentRefused();
  if (code === 'FST_ERR_BAD_URL' || statusCode === 414) {
    return new SandgateError('REQUEST_INVALID', 'The path cannot be read.', { field: 'path' });
  }
  if (statusCode === 400)
    return new SandgateError('INPUT_INVALID', 'The body is not JSON.', { field: 'body' });
  return toSandgateError(thrown);
}

export function contentRefused(): SandgateError {
  return new SandgateError('CONTENT_REFUSED', 'The body must be declared as application/json.', {
    field: 'content-type',
    remedy: 'Send the header `Content-Type: application/json`.',
  });
}

/** What Node found, as the status and the sentence that it gets. */
const FAULTS: Record<string, [status: string, fault: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time.'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are larger than 16 KiB.'],
};
const UNREADABLE = ['400 Bad Request', 'This is not an HTTP request that can be read.'] as const;

/** Bytes that are no HTTP request; Node has no request object for them. */
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
  // Ended alone, it would stay for as long as the client does not end it too, and a few hundred of them are all there are.
  socket.destroySoon();
}
