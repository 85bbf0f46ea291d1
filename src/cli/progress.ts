import type { WriteStream } from 'node:tty';
import type { Io } from './io.ts';

const TERMINAL_MS = 200;
const OTHER_MS = 5000;

/** Says on stderr how far a long command is: in place on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #io: Io;
  readonly #monotonic: () => number;
  readonly #inPlace: boolean;
  #toldAt: number;
  #drawn = false;

  constructor(io: Io, monotonic: () => number) {
    this.#io = io;
    this.#monotonic = monotonic;
    this.#inPlace = (io.stderr as Partial<WriteStream>).isTTY === true;
    this.#toldAt = monotonic();
  }

  tell(text: () => string): void {
    const now = this.#monotonic();
    if (now - this.#toldAt < (this.#inPlace ? TERMINAL_MS : OTHER_MS)) return;
    this.#toldAt = now;
    this.#drawn = this.#inPlace;
    this.#io.stderr.write(this.#inPlace ? `\r${text()}\x1b[K` : `sandgate: ${text()}\n`);
  }

  /** Clears what stands in place, so that what comes next has the line to itself. */
  end(): void {
    if (this.#drawn) this.#io.stderr.write('\r\x1b[K');
    this.#drawn = false;
  }
}
