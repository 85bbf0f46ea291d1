import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { headerOf, type NodeRequest } from '../http/node-messages.ts';
import { expandPath } from '../paths.ts';
import { contentEncoding } from './encoding.ts';
import type { FileRequest } from './file-request.ts';
import { readMultipart } from './multipart.ts';
import { type WrittenFile, writeFile } from './written-file.ts';

/** `POST /files`: a multipart body with one or more parts `file`, or one file as the body itself. */
export async function upload(request: NodeRequest, file: FileRequest): Promise<WrittenFile[]> {
  const body = decoded(request, contentEncoding(headerOf(request, 'content-encoding')));
  const contentType = headerOf(request, 'content-type') ?? '';
  const mediaType = contentType.split(';')[0]!.trim().toLowerCase();
  const { account, workdir } = file;
  const resolve = (path: string) => expandPath(path, account, workdir);
  if (mediaType === 'application/octet-stream') {
    if (file.path === undefined) {
      throw new ConnectError('path query parameter is required for raw body upload', Code.InvalidArgument);
    }
    return [await writeFile(resolve(file.path), body, account)];
  }
  if (!mediaType.startsWith('multipart/')) {
    throw new ConnectError(
      `unsupported content type: ${contentType}, expected multipart/form-data or application/octet-stream`,
      Code.InvalidArgument,
    );
  }
  const taken = new Set<string>();
  return await readMultipart(body, contentType, async (name, bytes) => {
    const path = resolve(file.path ?? name);
    if (taken.has(path)) {
      throw new ConnectError(
        `you cannot upload multiple files to the same path '${path}' in one upload request, only the first specified file was uploaded`,
        Code.InvalidArgument,
      );
    }
    taken.add(path);
    return await writeFile(path, bytes, account);
  });
}

function decoded(request: NodeRequest, encoding: 'gzip' | 'identity'): Readable {
  if (encoding === 'identity') return request;
  // A request that breaks off, or bytes that are no gzip, end the result with an error.
  return pipeline(request, createGunzip(), () => {});
}
