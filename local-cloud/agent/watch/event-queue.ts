import { Code, ConnectError } from '@connectrpc/connect';

/** More events than this mean that the client has stopped reading. */
const MOST_WAITING = 65_536;

/** Events in order, until they are read. */
export class EventQueue<T> {
  #waiting: T[] = [];
  #overflowed = false;
  #wake: (() => void) | undefined;

  push(event: T): void {
    if (this.#waiting.length >= MOST_WAITING) this.#overflowed = true;
    else this.#waiting.push(event);
    this.#wake?.();
  }

  /** Removes and returns every event. Throws `resource_exhausted` once events have been lost. */
  drain(): T[] {
    if (this.#overflowed) {
      throw new ConnectError('watcher error: too many events were not fetched', Code.ResourceExhausted);
    }
    const events = this.#waiting;
    this.#waiting = [];
    return events;
  }

  /** The next event, or undefined after `ms` of silence. Throws the reason of `signal`. */
  async next(ms: number, signal: AbortSignal): Promise<T | undefined> {
    signal.throwIfAborted();
    if (this.#waiting.length === 0 && !this.#overflowed) await this.#something(ms, signal);
    signal.throwIfAborted();
    if (this.#overflowed) this.drain();
    return this.#waiting.shift();
  }

  #something(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', settle);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(settle, ms);
      this.#wake = settle;
      signal.addEventListener('abort', settle);
    });
  }
}
