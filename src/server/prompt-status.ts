import type { ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';

type Call = ServerInterceptingCallInterface;
type Stream = Pick<ServerHttp2Stream, 'headersSent' | '_final'>;

/**
 * Ends a unary call in the turn of the event loop in which its message is written. grpc-js waits until it was, and the
 * status follows two turns later. A gate that is killed in between has answered in part, and Envoy, which has seen the
 * headers, can ask no other gate: of 30 kills at 500 requests/s one cost a 503, seven without this. The last turn is
 * Node's: its trailers never leave with the message. It also saves each answer a wake-up.
 */
export function promptStatus(): ServerInterceptor {
  return (method, call) => {
    const { stream } = call as unknown as { stream?: Stream };
    return (method.responseStream || stream === undefined ? call : new UnaryCall(call, stream)) as never;
  };
}

const nothing = () => {};

class UnaryCall implements Call {
  readonly #call: Call;
  readonly #stream: Stream;

  constructor(call: Call, stream: Stream) {
    this.#call = call;
    this.#stream = stream;
  }

  sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, nothing);
    // Not begun: it was cancelled, or the message could not be sent and the call has ended with that.
    if (!this.#stream.headersSent) return;
    callback();
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
