import { Code, ConnectError } from '@connectrpc/connect';

/** Past this nobody is reading. */
const MOST_WAITING = 65_536;

/** Events in the order in which they happened, until they are taken. */
export class EventQueue<T> {
  #waiting: T[] = [];
  #overflowed = false;
  #wake: (() => void) | undefined;

  push(event: T): void {
    if (this.#waiting.length >= MOST_WAITING) this.#overflowed = true;
    else this.#waiting.push(event);
    this.#wake?.();
  }

  /** Everything that waits. Throws `resource_exhausted`, from then on, once events were lost. */
  drain(): T[] {
    if (this.#overflowed) {
      throw new ConnectError('watcher error: too many events were not fetched', Code.ResourceExhausted);
    }
    const events = this.#waiting;
    this.#waiting = [];
    return events;
  }

  /** The next one, or `undefined` after `ms` of silence. Throws the reason of `signal`. */
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
