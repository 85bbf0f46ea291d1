import type { WriteStream } from 'node:tty';
import type { Io } from './io.ts';

const TERMINAL_MS = 200;
const OTHER_MS = 5000;

/** Reports the progress of a long command on stderr: in place on a terminal, else one line every few seconds. */
export class Progress {
  readonly #io: Io;
  readonly #monotonic: () => number;
  readonly #inPlace: boolean;
  #reportedAt: number;
  #drawn = false;

  constructor(io: Io, monotonic: () => number) {
    this.#io = io;
    this.#monotonic = monotonic;
    this.#inPlace = (io.stderr as Partial<WriteStream>).isTTY === true;
    this.#reportedAt = monotonic();
  }

  report(text: () => string): void {
    const now = this.#monotonic();
    if (now - this.#reportedAt < (this.#inPlace ? TERMINAL_MS : OTHER_MS)) return;
    this.#reportedAt = now;
    this.#drawn = this.#inPlace;
    this.#io.stderr.write(this.#inPlace ? `\r${text()}\x1b[K` : `sandgate: ${text()}\n`);
  }

  /** Clears the progress shown in place, so that the next output starts on an empty line. */
  end(): void {
    if (this.#drawn) this.#io.stderr.write('\r\x1b[K');
    this.#drawn = false;
  }
}
