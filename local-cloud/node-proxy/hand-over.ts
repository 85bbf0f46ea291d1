import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import { downstreamHeaders } from './upstream-headers.ts';

/** Sends one request into the sandbox and the response back. If either side breaks off, so does the other. */
export function handOver(request: IncomingMessage, response: ServerResponse, upstream: ClientRequest): void {
  const cut = () => {
    request.socket.destroy();
    upstream.destroy();
  };
  let answered = false;
  upstream.on('continue', () => response.writeContinue());
  upstream.on('response', (answer) => {
    response.sendDate = false;
    try {
      response.writeHead(answer.statusCode ?? 0, answer.statusMessage, downstreamHeaders(answer.rawHeaders));
    } catch {
      // Node reads some heads that it refuses to write: a status below 100, a control character.
      return cut();
    }
    answered = true;
    // With server-sent events, the head must not wait for the first event.
    response.flushHeaders();
    pipeline(answer, response, (error) => {
      if (error) cut();
      // A server may respond before it has read the whole upload. Envoy then has the response, and the rest is not needed.
      else if (!request.complete) cut();
    });
  });
  // If a server responds and closes early, the upload fails, but the response still counts.
  upstream.on('error', () => answered || cut());
  // `close` is the only event after a protocol switch that the client did not request.
  upstream.on('close', () => answered || cut());
  response.on('close', () => response.writableFinished || cut());
  request.on('error', cut);
  request.pipe(upstream);
}

/** An upgrade: like a request until it is accepted, then bytes in both directions, each of which ends on its own. */
export function tunnel(client: Duplex, head: Buffer, upstream: ClientRequest): void {
  const cut = () => {
    client.destroy();
    upstream.destroy();
  };
  upstream.on('error', cut);
  client.once('close', cut);
  upstream.on('upgrade', (answer, server, serverHead) => {
    client.write(headOf(answer, answer.rawHeaders));
    client.write(serverHead);
    server.on('error', cut);
    server.write(head);
    pipeline(server, client, () => {});
    pipeline(client, server, () => server.destroy());
    server.on('close', () => client.end());
  });
  upstream.on('response', (answer) => {
    // The server refused the upgrade. Node has given up the client's connection, which cannot return to HTTP.
    const headers = downstreamHeaders(answer.rawHeaders).filter(
      (_, n, all) => all[n - (n % 2)]!.toLowerCase() !== 'transfer-encoding',
    );
    client.write(headOf(answer, [...headers, 'Connection', 'close']));
    pipeline(answer, client, () => {});
  });
  upstream.end();
}

function headOf(answer: IncomingMessage, rawHeaders: readonly string[]): Buffer {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let n = 0; n < rawHeaders.length; n += 2) lines.push(`${rawHeaders[n]}: ${rawHeaders[n + 1]}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
