import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { headerOf, type NodeRequest, type NodeResponse } from '../http/node-messages.ts';
import { expandPath } from '../paths.ts';
import { internal, isMissing } from '../system-error.ts';
import { acceptedEncoding } from './encoding.ts';
import type { FileRequest } from './file-request.ts';

/** `GET /files`: sends the bytes of one file. */
export async function download(
  request: NodeRequest,
  response: NodeResponse,
  file: FileRequest,
): Promise<void> {
  const path = expandPath(file.path ?? '', file.account, file.workdir);
  const found = await stat(path).catch((error) => {
    if (isMissing(error)) throw new ConnectError(`path '${path}' does not exist`, Code.NotFound);
    throw internal(`error checking if path exists '${path}'`, error);
  });
  if (found.isDirectory()) throw new ConnectError(`path '${path}' is a directory`, Code.InvalidArgument);
  // A pipe or a device may never end, or never begin.
  if (!found.isFile()) throw new ConnectError(`path '${path}' is not a regular file`, Code.InvalidArgument);
  const encoding = acceptedEncoding(headerOf(request, 'accept-encoding'));
  const handle = await open(path).catch((error) => {
    throw internal(`error opening file '${path}'`, error);
  });
  try {
    const { size } = await handle.stat();
    response.setHeader('vary', 'Accept-Encoding');
    response.setHeader('content-type', 'application/octet-stream');
    response.setHeader('content-disposition', `inline; ${filename(basename(path))}`);
    if (encoding === 'gzip') {
      response.setHeader('content-encoding', 'gzip');
      await pipeline(handle.createReadStream(), createGzip(), response);
    } else {
      response.setHeader('content-length', String(size));
      // If the file grows meanwhile, send no more than the announced length.
      if (size === 0) response.end();
      else await pipeline(handle.createReadStream({ end: size - 1 }), response);
    }
  } finally {
    await handle.close();
  }
}

function filename(name: string): string {
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return `filename=${name}`;
  if (/^[\x20-\x7e]+$/.test(name)) return `filename="${name.replace(/["\\]/g, '\\$&')}"`;
  return `filename*=utf-8''${encodeURIComponent(name)}`;
}
