import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** One request as it reached the sandbox's server. */
export interface Arrival {
  method: string;
  url: string;
  /** Names and values as sent, in order, duplicates kept: `[name, value]`. */
  rawHeaders: [string, string][];
  headers: IncomingMessage['headers'];
  body: string;
  /** Identifies the connection. */
  connection: number;
}

/** A sandbox's server that records the requests that reach it. */
export interface Recorder {
  port: number;
  arrivals: Arrival[];
  /** Replaces the default answer (200, `hello`). */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  connections(): number;
  close(): Promise<void>;
}

/** A certificate and its key, PEM. */
export interface ServerTls {
  cert: Buffer;
  key: Buffer;
}

/** `host`: the loopback address of the sandbox. `tls`: it listens with TLS alone. */
export async function startRecorder(port = 0, host = '127.0.0.1', tls?: ServerTls): Promise<Recorder> {
  const connections = new Map<Socket, number>();
  const open = new Set<Socket>();
  const recorder: Recorder = {
    port,
    arrivals: [],
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('hello');
    },
    connections: () => connections.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
  const note = (request: IncomingMessage, body: string) => {
    const rawHeaders: [string, string][] = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      rawHeaders.push([request.rawHeaders[i]!, request.rawHeaders[i + 1]!]);
    }
    recorder.arrivals.push({
      method: request.method ?? '',
      url: request.url ?? '',
      rawHeaders,
      headers: request.headers,
      body,
      connection: connections.get(request.socket) ?? -1,
    });
  };
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      note(request, Buffer.concat(chunks).toString());
      recorder.answer(request, response);
    });
  };
  const server = tls ? createTlsServer(tls, handle) : createServer(handle);
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.set(socket, connections.size);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
  // An upgrade is accepted, and bytes are echoed after the handshake: enough to see whether a tunnel works and ends.
  server.on('upgrade', (request, socket) => {
    note(request, '');
    const accept = websocketAccept(String(request.headers['sec-websocket-key'] ?? ''));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('data', (chunk: Buffer) => socket.write(unmasked(chunk)));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  recorder.port = (server.address() as AddressInfo).port;
  return recorder;
}

function websocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** A short client frame (under 126 bytes) as the server frame with the same payload. */
function unmasked(frame: Buffer): Buffer {
  const length = frame[1]! & 0x7f;
  const mask = frame.subarray(2, 6);
  const payload = Buffer.from(frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]!));
  return Buffer.concat([Buffer.from([frame[0]!, length]), payload]);
}
