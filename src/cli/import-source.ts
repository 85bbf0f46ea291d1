import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SandgateError } from '../errors.ts';
import type { Io } from './io.ts';

/** The input of an import, which is read twice: once to judge it, once to write it. */
export interface ImportSource {
  name: string;
  /** From its beginning. */
  read(): Readable;
  close(): Promise<void>;
}

/** `-` is standard input; that, and whatever else cannot be read twice, goes through a private temporary file. */
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
    // The open handle keeps the bytes; nothing stays behind, however this process ends.
    await rm(folder, { recursive: true, force: true });
  }
}
