import type { Readable, Writable } from 'node:stream';
import { SandgateError, toSandgateError } from '../errors.ts';

/** What a command may touch of the terminal. */
export interface Io {
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
}

/** Said at every start, since a door that was opened to measure is easily forgotten. */
export const SHADOW_WARNING =
  'shadow mode is allowed (SANDGATE_ALLOW_SHADOW): sandboxes whose access.shadowUntil is ahead let requests without a valid token through';

export function print(io: Io, text: string): void {
  io.stdout.write(`${text}\n`);
}

export function printJson(io: Io, value: unknown): void {
  print(io, JSON.stringify(value, null, 2));
}

export function warn(io: Io, text: string): void {
  io.stderr.write(`sandgate: ${text}\n`);
}

/** One error to a person, or to a program with `--json`: no stack. Returns the exit code: 2 for what was asked wrongly, else 1. */
export function report(io: Io, thrown: unknown, json: boolean): number {
  const error = toSandgateError(thrown);
  if (json) {
    const { code, message, field, remedy } = error;
    io.stderr.write(`${JSON.stringify({ error: { code, message, field, remedy } })}\n`);
  } else {
    warn(io, `${error.message} [${error.code}]${error.remedy ? `; remedy: ${error.remedy}` : ''}`);
  }
  return error.code === 'SETTINGS_INVALID' ? 2 : 1;
}

/** All of a stream as UTF-8. Throws INPUT_INVALID past `limit` bytes. */
export async function readAll(stream: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > limit) throw new SandgateError('INPUT_INVALID', `the input is larger than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
