import { createServer as createHttp1, type RequestListener } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import type { NodeHandler } from './node-messages.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');
/** Over Envoy's idle time-out of an hour: whoever closes first loses the race with a new request. */
const KEEP_ALIVE_MS = 3_700_000;
const FIRST_BYTE_MS = 60_000;

export interface HttpListener {
  readonly server: Server;
  /** Ends every connection at once. */
  closeAll(): void;
}

/** One listener for HTTP/1.1 and for HTTP/2 without TLS (prior knowledge): the first bytes tell which. */
export function createHttpListener(handler: NodeHandler): HttpListener {
  // A StreamInput call is a request that lasts as long as the process it feeds.
  const http1 = createHttp1(
    { requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
    handler as RequestListener,
  );
  // Python's SDK waits for ever on a server that does not announce this.
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
