import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { Target } from '#src/target/target.js';
import { refuseCall } from './refusal.ts';
import { upstreamHeaders } from './upstream-headers.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');
/** As in Envoy's cluster `sandbox_grpc`. */
const WINDOW = 65_536;

/** One call, as far as finding its sandbox needs it: like a request of node:http. */
export interface Call {
  /** Alternating names and values; `:authority` is `host`. */
  rawHeaders: readonly string[];
  socket: ServerHttp2Stream;
}

export interface CallTarget {
  /** An open pipe to the port inside the sandbox. */
  socket: Socket;
  port: number;
  mask: string | undefined;
}

/**
 * Lets a server for HTTP/1.1 accept HTTP/2 with prior knowledge too, which Envoy speaks for gRPC. Each call gets a
 * connection of its own into the sandbox, since calls to different ports may share Envoy's. A call that did not pass a
 * gate gets the contract's 503. One that cannot be forwarded is reset, and Envoy answers with the contract's refusal. Returns what ends all HTTP/2 connections.
 */
export function acceptGrpc(
  server: Server,
  admitted: (call: Call) => Target | undefined,
  reach: (call: Call, target: Target) => Promise<CallTarget | undefined>,
): () => void {
  const sessions = new Set<ServerHttp2Session | ClientHttp2Session>();
  const keep = (session: ServerHttp2Session | ClientHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => {});
  };
  const http2 = createServer({ settings: { initialWindowSize: WINDOW } });
  http2.on('session', keep);
  http2.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => {
      stream.on('error', () => {});
      const call = {
        rawHeaders: rawHeaders.map((part) => (part === ':authority' ? 'host' : part)),
        socket: stream,
      };
      const admittedTo = admitted(call);
      if (admittedTo === undefined) return refuseCall(stream);
      reach(call, admittedTo)
        .then((target) => {
          if (target === undefined || stream.destroyed) return fail(stream, target);
          const session = connect('http://sandbox', { createConnection: () => target.socket });
          keep(session);
          session.once('error', () => fail(stream));
          orFail(stream, session, () => forward(stream, session, requestHeaders(headers, target)));
        })
        .catch(() => fail(stream));
    },
  );

  const http1 = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    socket.once('readable', () => {
      const first = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
      if (first.length > 0) socket.unshift(first);
      const known = first.subarray(0, PREFACE.length);
      if (known.length > 0 && PREFACE.subarray(0, known.length).equals(known))
        http2.emit('connection', socket);
      else for (const listener of http1) listener.call(server, socket);
    });
  });
  return () => {
    for (const session of sessions) session.destroy();
  };
}

function fail(stream: ServerHttp2Stream, target?: CallTarget): void {
  target?.socket.destroy();
  if (!stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

/**
 * Whatever a client or a sandbox sends may be what node:http2 refuses to send on, such as a status of 600: it throws, and
 * outside of this an exception ends the cloud with all its sandboxes.
 */
function orFail(stream: ServerHttp2Stream, session: ClientHttp2Session, step: () => void): void {
  try {
    step();
  } catch {
    // Not at once: node:http2 still hands bytes that the sandbox sent early to a new session, and throws if it is gone.
    setImmediate(() => session.destroy());
    fail(stream);
  }
}

/** Sends one call into the sandbox, and its answer and trailers back. If either side breaks off, so does the other. */
function forward(stream: ServerHttp2Stream, session: ClientHttp2Session, headers: OutgoingHttpHeaders): void {
  const upstream = session.request(headers, { endStream: false });
  let trailers: OutgoingHttpHeaders = {};
  upstream.on('error', () => {});
  upstream.on('response', (answer, flags) =>
    orFail(stream, session, () => {
      if (stream.destroyed) return;
      const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      stream.respond({ ...answer }, { endStream, waitForTrailers: !endStream });
      if (!endStream) upstream.pipe(stream);
    }),
  );
  upstream.on('trailers', (fields) => {
    trailers = { ...fields };
  });
  stream.on('wantTrailers', () => orFail(stream, session, () => stream.sendTrailers(trailers)));
  stream.pipe(upstream);
  stream.once('close', () => {
    if (!upstream.destroyed) upstream.close(stream.rstCode);
    session.close();
  });
  upstream.once('close', () => {
    // An answer that ended is still being written.
    if (upstream.rstCode !== 0 || !stream.headersSent) {
      if (!stream.destroyed) stream.close(upstream.rstCode || constants.NGHTTP2_INTERNAL_ERROR);
    }
    session.close();
  });
}

/** The headers for the sandbox, under the rules for HTTP/1.1. */
function requestHeaders(headers: IncomingHttpHeaders, target: CallTarget): OutgoingHttpHeaders {
  const sent = ['host', headers[':authority'] ?? ''];
  for (const [name, value = ''] of Object.entries(headers)) {
    for (const one of [value].flat()) if (!name.startsWith(':') && name !== 'host') sent.push(name, one);
  }
  const found: Record<string, string | string[]> = {};
  const kept = upstreamHeaders(sent, target.port, target.mask, false);
  for (let n = 0; n < kept.length; n += 2) {
    const name = kept[n]!.toLowerCase();
    const before = found[name];
    found[name] = before === undefined ? kept[n + 1]! : [before, kept[n + 1]!].flat();
  }
  const { host = '', ...rest } = found;
  return {
    ':method': headers[':method'],
    ':path': headers[':path'],
    ':scheme': 'http',
    ':authority': host,
    ...rest,
  };
}
