import type { Socket } from 'node:net';
import { SandgateError } from '../errors.ts';
import { failureBody } from './failure.ts';

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
