import type { Socket } from 'node:net';
import { SandgateError } from '../errors.ts';
import { failureBody } from './failure.ts';

/** Bytes that are no HTTP request; Node has no request object for them. */
export function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const status = late ? '408 Request Timeout' : '400 Bad Request';
  const fault = late ? 'The request did not come in time.' : 'This is not an HTTP request that can be read.';
  const body = JSON.stringify(failureBody(new SandgateError('REQUEST_INVALID', fault)));
  socket.end(
    [
      `HTTP/1.1 ${status}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
