import type { Http2Session, ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { streamOf } from './call-stream.ts';

type Call = ServerInterceptingCallInterface;

/**
 * Sends the status of a unary call as soon after its message as Node can. If a gate is killed in between, Envoy has seen
 * the headers and cannot ask another gate, so its client gets a 503. grpc-js ends a call only after its message was
 * written, two ticks of the event loop later, and Node writes trailers one tick after it gets them, so a busy gate always
 * has calls in between. Here a call ends at once, and the trailers of all responses of a tick are written in that tick.
 * Node cannot send them in the same write as the message.
 */
export function promptStatus(): ServerInterceptor {
  return (method, call) => {
    const stream = streamOf(call);
    return (method.responseStream || stream === undefined ? call : new UnaryCall(call, stream)) as never;
  };
}

const nothing = () => {};

/** The write that is due in this tick, by session. */
const due = new WeakMap<Http2Session, NodeJS.Immediate>();

/** Runs after grpc-js has passed on its trailers, which Node submits in an immediate: this immediate follows the last one. */
function writeTrailersInThisTick(this: ServerHttp2Stream): void {
  const { session } = this;
  if (session === undefined) return;
  const before = due.get(session);
  if (before !== undefined) clearImmediate(before);
  due.set(session, setImmediate(write, this, session));
}

/** Before a stream is closed, everything that waits in its session is written. This stream has nothing left to send. */
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
    // Not started: it was cancelled, or the message could not be sent, which has ended the call.
    if (!this.#stream.headersSent) return;
    callback();
    this.#stream.once('wantTrailers', writeTrailersInThisTick);
    // What Node does to end a stream, but without waiting for the message to be written.
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
