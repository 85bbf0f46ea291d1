import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { Address } from '../../src/address.ts';

export interface ClientRequest {
  host: string;
  method?: string;
  path?: string;
  headers?: Record<string, string | string[]>;
  body?: string;
  /** Local address to send from: any of 127.0.0.0/8 is a different client to Envoy. */
  from?: string;
}

export interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** One HTTP/1.1 request on its own connection. */
export function ask(ingress: Address, request: ClientRequest): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: ingress.host,
        port: ingress.port,
        method: request.method ?? 'GET',
        path: request.path ?? '/',
        headers: { host: request.host, ...request.headers },
        setHost: false,
        agent: false,
        localAddress: request.from,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(request.body);
  });
}

/** One HTTP/2 request with prior knowledge; `host` becomes `:authority`. */
export async function askHttp2(ingress: Address, request: ClientRequest): Promise<Answered> {
  const session = await http2Session(ingress);
  try {
    return await new Promise<Answered>((resolve, reject) => {
      const stream = session.request({
        ':method': request.method ?? 'GET',
        ':path': request.path ?? '/',
        ':scheme': 'http',
        ':authority': request.host,
        ...request.headers,
      });
      const answered: Answered = { status: 0, headers: {}, body: '' };
      stream.on('response', (headers) => {
        answered.status = Number(headers[':status']);
        answered.headers = headers as IncomingHttpHeaders;
      });
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        answered.body += text;
      });
      stream.on('error', reject);
      stream.on('end', () => resolve(answered));
      stream.end(request.body);
    });
  } finally {
    session.destroy();
  }
}

/**
 * Resolves once the server's settings have arrived, before which extended CONNECT must not be used. `from`: the local
 * address to send from.
 */
export function http2Session(ingress: Address, from?: string): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const { host, port } = ingress;
    const session = connectHttp2(`http://${host}:${port}`, {
      createConnection: () => connect({ host, port, localAddress: from }),
    });
    session.once('error', reject);
    session.once('remoteSettings', () => resolve(session));
  });
}

/** Sends bytes as they are, and returns everything until the server closes, as latin1. */
export function askRaw(ingress: Address, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(ingress.port, ingress.host);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(text) : reject(error),
    );
    socket.on('close', () => resolve(text));
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  });
}

/** Opens a WebSocket; resolves with it, or with the answer that refused it. */
export function openWebSocket(
  ingress: Address,
  request: { host: string; path?: string; headers?: Record<string, string> },
): Promise<{ socket: WebSocket } | { status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${ingress.host}:${ingress.port}${request.path ?? '/'}`, {
      headers: { host: request.host, ...request.headers },
    });
    socket.once('open', () => resolve({ socket }));
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
}
