import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '../clock.ts';

/** Delay of a scan after a hint from the system: most writes end within it, and no one notices it. */
const HINT_MS = 50;

export interface FolderWatchOptions {
  folder: string;
  /** Milliseconds from the end of one scan to the next, with or without a hint. */
  scanMs: number;
  clock: Clock;
  /** Must not reject. */
  scan(): Promise<void>;
}

/** Scans a folder periodically, and soon after the system reports a change in it. */
export class FolderWatch {
  readonly #options: FolderWatchOptions;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the next scan starts, on the monotonic clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #scanning: Promise<void> | undefined;
  /** A change was reported during the running scan, which may have passed the changed file already. */
  #hinted = false;
  #closed = false;

  constructor(options: FolderWatchOptions) {
    this.#options = options;
    try {
      // Only a hint: the periodic scan finds every change, even on disks that the system cannot watch.
      this.#watcher = watch(options.folder, { persistent: false }, () => this.#schedule(HINT_MS));
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
    this.#schedule(options.scanMs);
  }

  /** Waits for a running scan. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#scanning;
  }

  /**
   * A hint never delays a scan that is due sooner. Two scans never overlap, and hints during a scan add one scan after it,
   * however many they are: a large folder takes longer to scan than the delay of a hint.
   */
  #schedule(delay: number): void {
    if (this.#scanning !== undefined) this.#hinted = true;
    const dueAt = this.#options.clock.monotonic() + delay;
    if (this.#closed || this.#scanning !== undefined || this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#hinted = false;
      this.#scanning = this.#options.scan().then(() => {
        this.#scanning = undefined;
        this.#schedule(this.#hinted ? HINT_MS : this.#options.scanMs);
      });
    }, delay).unref();
  }
}
