import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import { downstreamHeaders } from './upstream-headers.ts';

/** One request into the sandbox and its answer back. Where either side breaks off, the other is broken off too. */
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
      // What may be read may not all be written: a status below 100, a control character.
      return cut();
    }
    answered = true;
    // Server-sent events: the head must not wait for the first of them.
    response.flushHeaders();
    pipeline(answer, response, (error) => {
      if (error) cut();
      // A server may answer before it has read the whole upload; Envoy then has the answer, and nobody wants the rest.
      else if (!request.complete) cut();
    });
  });
  // A server that answered and then closed fails our upload; its answer still counts.
  upstream.on('error', () => answered || cut());
  // Nothing else is said of a switch of protocols that nobody asked for.
  upstream.on('close', () => answered || cut());
  response.on('close', () => response.writableFinished || cut());
  request.on('error', cut);
  request.pipe(upstream);
}

/** An upgrade: the same until it is accepted, then bytes both ways, each direction ending by itself. */
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
    // Refused. The connection was to become another one's and cannot go back to HTTP.
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
