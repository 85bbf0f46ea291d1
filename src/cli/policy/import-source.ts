import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SandgateError } from '../../errors.ts';
import type { Io } from '../io.ts';

/** The input of an import, which is read twice: first to validate it, then to write it. */
export interface ImportSource {
  name: string;
  /** Reads from the start. */
  read(): Readable;
  close(): Promise<void>;
}

/** `-` is standard input. Input that cannot be read twice is copied to a private temporary file. */
export async function openImport(io: Io, file: string): Promise<ImportSource> {
  const name = file === '-' ? 'standard input' : file;
  try {
    const handle = file === '-' ? await spool(io.stdin) : await openTwice(file);
    return {
      name,
      read: () => handle.createReadStream({ start: 0, autoClose: false }),
      close: () => handle.close(),
    };
  } catch (cause) {
    throw new SandgateError('INPUT_INVALID', `cannot read ${name}: ${(cause as Error).message}`, { cause });
  }
}

async function openTwice(file: string): Promise<FileHandle> {
  const handle = await open(file, 'r');
  if ((await handle.stat()).isFile()) return handle;
  try {
    return await spool(handle.createReadStream({ autoClose: false }));
  } finally {
    await handle.close();
  }
}

async function spool(stream: Readable): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'sandgate-import-'));
  try {
    const path = join(folder, 'spool');
    await pipeline(stream, createWriteStream(path, { mode: 0o600 }));
    return await open(path, 'r');
  } finally {
    // The open handle keeps the data available; nothing is left behind, however this process ends.
    await rm(folder, { recursive: true, force: true });
  }
}

export interface Line {
  /** From 1. */
  number: number;
  /** Including the newline, if there is one. */
  bytes: Buffer;
}

const NEWLINE = 0x0a;

/** The lines of a stream, one at a time. Throws INPUT_INVALID on a line longer than `longest` bytes. */
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
          remedy: 'write one policy record per line, as `sandgate policy export` does',
        },
      );
    }
    held.push(part);
  }
}
