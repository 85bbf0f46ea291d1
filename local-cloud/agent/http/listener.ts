import { createServer as createHttp1, type RequestListener } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import type { NodeHandler } from './node-messages.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');
/** Longer than Envoy's idle timeout of an hour: if the agent closed first, it could drop a request that is on its way. */
const KEEP_ALIVE_MS = 3_700_000;
const FIRST_BYTE_MS = 60_000;

export interface HttpListener {
  readonly server: Server;
  /** Ends every connection at once. */
  closeAll(): void;
}

/** One listener for HTTP/1.1 and HTTP/2 without TLS (prior knowledge); the first bytes decide which. */
export function createHttpListener(handler: NodeHandler): HttpListener {
  // No request timeout: a StreamInput call lasts as long as the process that it feeds.
  const http1 = createHttp1(
    { requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
    handler as RequestListener,
  );
  // Python's SDK waits forever for a server that does not announce this.
  const http2 = createHttp2({ settings: { maxConcurrentStreams: 1024 } }, handler);
  http2.on('sessionError', () => {});
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(FIRST_BYTE_MS, () => socket.destroy());
    let seen = Buffer.alloc(0);
    const onData = (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes]);
      const compared = Math.min(seen.length, PREFACE.length);
      const isHttp2 = seen.subarray(0, compared).equals(PREFACE.subarray(0, compared));
      if (isHttp2 && compared < PREFACE.length) return;
      socket.off('data', onData);
      socket.pause();
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.unshift(seen);
      (isHttp2 ? http2 : http1).emit('connection', socket);
      if (!isHttp2) socket.resume();
    };
    socket.on('data', onData);
  });
  return {
    server,
    closeAll() {
      for (const socket of open) socket.destroy();
    },
  };
}
