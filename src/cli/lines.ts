import { SandgateError } from '../errors.ts';

export interface Line {
  /** From 1. */
  number: number;
  /** With its newline, where it has one. */
  bytes: Buffer;
}

const NEWLINE = 0x0a;

/** The lines of a stream, one at a time. Throws INPUT_INVALID at one longer than `longest` bytes. */
export async function* readLines(stream: AsyncIterable<Buffer>, longest: number): AsyncGenerator<Line> {
  let number = 1;
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      hold(chunk.subarray(start, end + 1));
      yield { number, bytes: held.length === 1 ? held[0]! : Buffer.concat(held) };
      number += 1;
      held = [];
      size = 0;
      start = end + 1;
    }
    if (start < chunk.length) hold(chunk.subarray(start));
  }
  if (size > 0) yield { number, bytes: Buffer.concat(held) };

  function hold(part: Buffer): void {
    size += part.length;
    if (size > longest) {
      throw new SandgateError(
        'INPUT_INVALID',
        `line ${number} is longer than ${longest} bytes; nothing was written`,
        {
          remedy: 'give one policy record a line, as `sandgate policy export` does',
        },
      );
    }
    held.push(part);
  }
}
