import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { EMPTY_REQUEST } from '#src/check/handler.js';
import { answerFor } from '#src/decision/answer.js';

/** The contract's 503: behind Envoy, a gate and this node proxy have different keys or domains, and nothing can be decided. */
const { status, headers, body } = answerFor({ kind: 'deny', reason: 'unavailable' }, EMPTY_REQUEST);
const HEAD = [...headers.flat(), 'content-length', String(Buffer.byteLength(body))];

export function refuse(response: ServerResponse): void {
  response.writeHead(status, HEAD).end(body);
}

export function refuseCall(stream: ServerHttp2Stream): void {
  // The client may have reset its call in the same packet, and node:http2 throws then.
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ':status': status, ...Object.fromEntries(headers) });
  stream.end(body);
}

export function refuseUpgrade(socket: Duplex): void {
  const lines = HEAD.flatMap((name, n) => (n % 2 === 0 ? [`${name}: ${HEAD[n + 1]}`] : []));
  const head = [`HTTP/1.1 ${status} Service Unavailable`, ...lines, 'connection: close'].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}
