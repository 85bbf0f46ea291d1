import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { streamOf } from './call-stream.ts';

type Call = ServerInterceptingCallInterface;

/**
 * Gets the status of a unary call out as soon after its message as Node can. A gate that is killed in between has
 * answered in part, and Envoy, which has seen the headers, can ask no other gate: its client gets a 503. grpc-js ends a
 * call only when its message was written, two turns of the event loop later, and Node writes trailers in the turn after
 * the one that has them: a busy gate is always in between for somebody. Here it ends at once, and the trailers of all
 * answers of a turn are written in that turn. In the same write as the message Node cannot.
 */
export function promptStatus(): ServerInterceptor {
  return (method, call) => {
    const stream = streamOf(call);
    return (method.responseStream || stream === undefined ? call : new UnaryCall(call, stream)) as never;
  };
}

const nothing = () => {};

/** The write that is due in this turn, by session. */
const due = new WeakMap<Http2Session, NodeJS.Immediate>();

/** After grpc-js has handed over its trailers, which Node submits in an immediate: this one comes behind the last. */
function writeTrailersInThisTurn(this: ServerHttp2Stream): void {
  const { session } = this;
  if (session === undefined) return;
  const before = due.get(session);
  if (before !== undefined) clearImmediate(before);
  due.set(session, setImmediate(write, this, session));
}

/** Closing a stream has all that waits for its session written first; this stream had nothing else to say. */
function write(stream: ServerHttp2Stream, session: Http2Session): void {
  due.delete(session);
  if (stream.writableFinished && !stream.destroyed) stream.close();
}

class UnaryCall implements Call {
  readonly #call: Call;
  readonly #stream: ServerHttp2Stream;

  constructor(call: Call, stream: ServerHttp2Stream) {
    this.#call = call;
    this.#stream = stream;
  }

  sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, nothing);
    // Not begun: it was cancelled, or the message could not be sent and the call has ended with that.
    if (!this.#stream.headersSent) return;
    callback();
    this.#stream.once('wantTrailers', writeTrailersInThisTurn);
    // What Node does to end a stream, but not only after the message has been written.
    this.#stream._final(nothing);
  }

  start(listener: Parameters<Call['start']>[0]): void {
    this.#call.start(listener);
  }

  sendMetadata(metadata: Parameters<Call['sendMetadata']>[0]): void {
    this.#call.sendMetadata(metadata);
  }

  sendStatus(status: Parameters<Call['sendStatus']>[0]): void {
    this.#call.sendStatus(status);
  }

  startRead(): void {
    this.#call.startRead();
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  getDeadline(): ReturnType<Call['getDeadline']> {
    return this.#call.getDeadline();
  }

  getHost(): string {
    return this.#call.getHost();
  }

  getAuthContext(): ReturnType<Call['getAuthContext']> {
    return this.#call.getAuthContext();
  }

  getConnectionInfo(): ReturnType<Call['getConnectionInfo']> {
    return this.#call.getConnectionInfo();
  }

  getMetricsRecorder(): ReturnType<Call['getMetricsRecorder']> {
    return this.#call.getMetricsRecorder();
  }
}
