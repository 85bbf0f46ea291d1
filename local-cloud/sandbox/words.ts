import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Words to PID 1 of a sandbox and its answers, one a line, in order. */
export class Words {
  readonly #stdin: Writable;
  readonly #waiting: ((line: string | undefined) => void)[] = [];
  readonly #heard: string[] = [];
  #closed = false;

  constructor(stdin: Writable, stdout: Readable) {
    this.#stdin = stdin;
    // It may end while we speak; `hear` then says so.
    stdin.on('error', () => {});
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      const next = this.#waiting.shift();
      if (next) next(line);
      else this.#heard.push(line);
    });
    lines.on('close', () => {
      this.#closed = true;
      for (const next of this.#waiting.splice(0)) next(undefined);
    });
  }

  say(word: 'go' | 'pause' | 'resume' | 'end'): void {
    this.#stdin.write(`${word}\n`);
  }

  /** The next line; undefined once it has ended. */
  hear(): Promise<string | undefined> {
    const line = this.#heard.shift();
    if (line !== undefined || this.#closed) return Promise.resolve(line);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
