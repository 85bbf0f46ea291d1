import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import mime from 'mime';
import { headerOf, type NodeRequest, type NodeResponse } from '../http/node-messages.ts';
import { expandPath } from '../paths.ts';
import { internal, isMissing } from '../system-error.ts';
import { type ByteRange, type Content, contentFor, isConditional } from './conditional.ts';
import { acceptedEncoding, requireIdentity } from './encoding.ts';
import type { FileRequest } from './file-request.ts';

/** Files of /proc and /sys say that they are empty; this much of one is read, in bytes. */
const VIRTUAL_FILE_MAX = 64 * 1024;

/** What is sent: a file, or the bytes of a virtual one. */
interface Source {
  size: number;
  /** The last offset is inclusive. */
  read(range: ByteRange): Readable;
}

/** `GET` and `HEAD /files`: sends the bytes of one file, or the part that `Range` asks for. */
export async function download(
  request: NodeRequest,
  response: NodeResponse,
  file: FileRequest,
): Promise<void> {
  const path = expandPath(file.path ?? '', file.account, file.workdir);
  requireRegular(
    path,
    await stat(path).catch((error) => {
      if (isMissing(error)) throw new ConnectError(`path '${path}' does not exist`, Code.NotFound);
      throw internal(`error checking if path exists '${path}'`, error);
    }),
  );
  const accepted = headerOf(request, 'accept-encoding');
  // Ranges and dates are about the bytes of the file, not about a compressed form of it.
  const encoding = isConditional(request) ? requireIdentity(accepted) : acceptedEncoding(accepted);
  // Were the file replaced by a pipe since, an open that blocks would hold a thread forever.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error) => {
    throw internal(`error opening file '${path}'`, error);
  });
  try {
    const found = await handle.stat();
    requireRegular(path, found);
    response.setHeader('vary', 'Accept-Encoding');
    response.setHeader('content-type', contentType(path));
    response.setHeader('content-disposition', `inline; ${filename(basename(path))}`);
    if (encoding === 'gzip') return await sendGzip(request, response, handle);
    const source = await sourceOf(handle, found.size);
    await send(request, response, source, contentFor(request, source.size, found.mtime));
  } finally {
    await handle.close();
  }
}

function requireRegular(path: string, found: { isDirectory(): boolean; isFile(): boolean }): void {
  if (found.isDirectory()) throw new ConnectError(`path '${path}' is a directory`, Code.InvalidArgument);
  // A pipe or a device may never end, or never begin.
  if (!found.isFile()) throw new ConnectError(`path '${path}' is not a regular file`, Code.InvalidArgument);
}

async function sourceOf(handle: FileHandle, size: number): Promise<Source> {
  if (size > 0) {
    return { size, read: ({ first, last }) => handle.createReadStream({ start: first, end: last }) };
  }
  const buffer = Buffer.alloc(VIRTUAL_FILE_MAX);
  let length = 0;
  for (let read = 1; read > 0 && length < buffer.length; length += read) {
    read = (await handle.read(buffer, length, buffer.length - length, null)).bytesRead;
  }
  return {
    size: length,
    read: ({ first, last }) => Readable.from([buffer.subarray(first, last + 1)], { objectMode: false }),
  };
}

async function sendGzip(request: NodeRequest, response: NodeResponse, handle: FileHandle): Promise<void> {
  response.setHeader('content-encoding', 'gzip');
  if (request.method === 'HEAD') return void response.end();
  await pipeline(handle.createReadStream(), createGzip(), response);
}

async function send(
  request: NodeRequest,
  response: NodeResponse,
  source: Source,
  content: Content,
): Promise<void> {
  response.statusCode = content.status;
  for (const [name, value] of Object.entries(content.headers)) response.setHeader(name, value);
  if (content.range === undefined) {
    for (const name of ['content-type', 'content-disposition']) response.removeHeader(name);
    return void response.end();
  }
  const { first, last } = content.range;
  const length = last - first + 1;
  response.setHeader('content-length', String(length));
  if (request.method === 'HEAD' || length === 0) return void response.end();
  // A file that grows meanwhile ends at the announced length; if it shrinks, the connection breaks off.
  await pipeline(source.read(content.range), (bytes) => exactly(bytes, length), response);
}

async function* exactly(bytes: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of bytes) {
    sent += chunk.length;
    yield chunk;
  }
  if (sent < length) throw new Error('the file became shorter while it was sent');
}

/** By the file's extension, as envd does it; Go adds the character set to text. */
function contentType(path: string): string {
  const type = mime.getType(path) ?? 'application/octet-stream';
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}

function filename(name: string): string {
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `filename=${name}`;
  if (/^[\x20-\x7e]+$/.test(name)) return `filename="${name.replace(/["\\]/g, '\\$&')}"`;
  return `filename*=utf-8''${encodeURIComponent(name)}`;
}
