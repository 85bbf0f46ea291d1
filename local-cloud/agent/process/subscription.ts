import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ProcessEventSchema } from '../gen/process/process_pb.ts';

export type ProcessEvent = MessageInitShape<typeof ProcessEventSchema>;

/** One client's view of a process: its events in order, queued while the client is slow. */
export class Subscription {
  readonly #queue: { event: ProcessEvent; bytes: number }[] = [];
  readonly #drained: () => void;
  #wake: (() => void) | undefined;
  #finished = false;
  /** Bytes of output in the queue. */
  waiting = 0;

  constructor(drained: () => void) {
    this.#drained = drained;
  }

  push(event: ProcessEvent, bytes: number): void {
    this.#queue.push({ event, bytes });
    this.waiting += bytes;
    this.#wake?.();
  }

  finish(): void {
    this.#finished = true;
    this.#wake?.();
  }

  /** Events until the process ends; after `keepaliveMs` of silence, a keepalive. Throws the reason of `signal`. */
  async *events(keepaliveMs: number, signal: AbortSignal): AsyncGenerator<ProcessEvent> {
    while (true) {
      signal.throwIfAborted();
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.waiting -= next.bytes;
        this.#drained();
        yield next.event;
      } else if (this.#finished) {
        return;
      } else if (!(await this.#anything(keepaliveMs, signal))) {
        yield { event: { case: 'keepalive', value: {} } };
      }
    }
  }

  /** Resolves with false if nothing happens within `ms`. */
  #anything(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (woken: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#wake = undefined;
        resolve(woken);
      };
      const wake = () => settle(true);
      const timer = setTimeout(() => settle(false), ms);
      this.#wake = wake;
      signal.addEventListener('abort', wake);
    });
  }
}
