import { type FSWatcher, watch } from 'node:fs';
import type { Clock } from '../clock.ts';

/** After a hint from the system: long enough for one write to end, short enough to feel at once. */
const HINT_MS = 50;

export interface FolderWatchOptions {
  folder: string;
  /** Milliseconds from the end of one scan to the next, hint or no hint. */
  scanMs: number;
  clock: Clock;
  /** Must not reject. */
  scan(): Promise<void>;
}

/** When to scan a folder: again and again, and soon after the system says that something moved in it. */
export class FolderWatch {
  readonly #options: FolderWatchOptions;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the next scan starts, on the monotonic clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #scanning: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: FolderWatchOptions) {
    this.#options = options;
    try {
      // Only a hint: the scan alone finds every change, also on disks where the system watches nothing.
      this.#watcher = watch(options.folder, { persistent: false }, () => this.#schedule(HINT_MS));
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      this.#watcher = undefined;
    }
    this.#schedule(options.scanMs);
  }

  /** Ends after a scan that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
    await this.#scanning;
  }

  /** A hint never puts off a scan that is due sooner; two scans never overlap. */
  #schedule(delay: number): void {
    const { clock, scan, scanMs } = this.#options;
    const dueAt = clock.monotonic() + delay;
    if (this.#closed || this.#dueAt <= dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#scanning = this.#scanning.then(scan).then(() => this.#schedule(scanMs));
    }, delay).unref();
  }
}
