import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Address } from '../../src/address.ts';
import { type Answered, type ClientRequest, http2Session } from './client.ts';

/** The text that a WebSocket opened this way sends, and gets back if the sandbox echoes it. */
export const ECHOED = 'hi';

/**
 * One WebSocket by HTTP/1.1 upgrade. If it is accepted, the status is 101 and the body is the echo of `ECHOED`; if it is
 * refused, the answer is unchanged. (The `ws` client would clean the path.)
 */
export function askWebSocket(ingress: Address, request: ClientRequest): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host: ingress.host,
      port: ingress.port,
      path: request.path ?? '/',
      headers: {
        host: request.host,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...request.headers,
      },
      setHost: false,
      agent: false,
    });
    outgoing.on('error', reject);
    outgoing.on('upgrade', (response, socket, head) => {
      socket.on('error', reject);
      echo(socket, head).then((body) => {
        socket.destroy();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      }, reject);
    });
    outgoing.on('response', (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    outgoing.end();
  });
}

/** The same by HTTP/2 extended CONNECT (RFC 8441); an accepted one is answered 200. */
export async function askWebSocketHttp2(ingress: Address, request: ClientRequest): Promise<Answered> {
  const session = await http2Session(ingress);
  try {
    const stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'http',
        ':path': request.path ?? '/',
        ':authority': request.host,
        'sec-websocket-version': '13',
        ...request.headers,
      },
      { endStream: false },
    );
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      stream.once('response', resolve);
      stream.once('error', reject);
      stream.once('close', () => reject(new Error('the stream was closed before its answer')));
    });
    const status = Number(headers[':status']);
    const body = status === 200 ? await echo(stream) : await text(stream);
    return { status, headers: headers as Answered['headers'], body };
  } finally {
    session.destroy();
  }
}

function text(stream: IncomingMessage | ClientHttp2Stream): Promise<string> {
  return new Promise((resolve, reject) => {
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      body += part;
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(body));
  });
}

/** Sends `ECHOED` in one masked text frame and resolves with the payload of the frame that comes back. */
function echo(stream: Duplex, head: Buffer = Buffer.alloc(0)): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = head;
    const payload = Buffer.from(ECHOED);
    const mask = Buffer.from([1, 2, 3, 4]);
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]!);
    stream.on('data', (part: Buffer) => {
      got = Buffer.concat([got, part]);
      if (got.length >= 2 + payload.length) resolve(got.subarray(2).toString());
    });
    stream.once('close', () => reject(new Error('the WebSocket was closed before its echo')));
    stream.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, masked]));
  });
}
