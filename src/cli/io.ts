import type { Readable, Writable } from 'node:stream';
import { errorText, SandgateError, toSandgateError } from '../errors.ts';
import { printable, printableJson, printableLine } from '../printable.ts';

/** The standard streams of a command. */
export interface Io {
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
}

/** Shown at every start, since it is easy to forget that access is open. */
export const SHADOW_WARNING =
  'shadow mode is allowed (SANDGATE_ALLOW_SHADOW): until its access.shadowUntil, a sandbox allows requests without a valid token';

export function print(io: Io, text: string): void {
  io.stdout.write(`${printable(text)}\n`);
}

/** Prints fields of a record as one line, separated by tabs. */
export function printRow(io: Io, fields: readonly string[]): void {
  print(io, fields.map(printableLine).join('\t'));
}

export function printJson(io: Io, value: unknown): void {
  io.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`);
}

export function warn(io: Io, text: string): void {
  io.stderr.write(`sandgate: ${printable(text)}\n`);
}

/** Prints an error without its stack. Returns the exit code: 2 for a usage or settings error, else 1. */
export function report(io: Io, thrown: unknown, json: boolean): number {
  const error = toSandgateError(thrown);
  if (json) {
    const { code, message, field, remedy } = error;
    io.stderr.write(`${printableJson(JSON.stringify({ error: { code, message, field, remedy } }))}\n`);
  } else {
    io.stderr.write(errorText(error));
  }
  return error.code === 'SETTINGS_INVALID' ? 2 : 1;
}

/** Reads a whole stream. Throws INPUT_INVALID above `limit` bytes. */
export async function readAll(stream: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > limit) throw new SandgateError('INPUT_INVALID', `the input is larger than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
