import { open, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { pipeline as pipelineDone } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import { ensureFolders } from '../filesystem/folders.ts';
import { headerOf, type NodeRequest } from '../http/node-messages.ts';
import { expandPath } from '../paths.ts';
import { internal, isDiskFull, isMissing } from '../system-error.ts';
import { contentEncoding } from './encoding.ts';
import type { FileRequest } from './file-request.ts';
import { readMultipart } from './multipart.ts';

/** One file in the response of `POST /files`. */
export interface WrittenFile {
  path: string;
  name: string;
  type: 'file';
}

/** `POST /files`: a multipart body with one or more parts named `file`, or a body that is one file. */
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
    const given = file.path ?? name;
    if (given === undefined) {
      throw new ConnectError(
        'error getting multipart custom part file name: filename not found in Content-Disposition header',
        Code.InvalidArgument,
      );
    }
    const path = resolve(given);
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
  // If the request breaks off, or is not gzip, the result ends with an error.
  return pipeline(request, createGunzip(), () => {});
}

/** Writes a stream to a file owned by the account, with its parent folders. An existing file is replaced. */
async function writeFile(path: string, bytes: Readable, account: Account): Promise<WrittenFile> {
  await ensureFolders(dirname(path), account);
  const found = await stat(path).catch((error) => {
    if (!isMissing(error)) throw internal('error getting file info', error);
    return undefined;
  });
  if (found?.isDirectory()) throw new ConnectError(`path is a directory: ${path}`, Code.InvalidArgument);
  try {
    const handle = await open(path, 'w', 0o666);
    try {
      if (account.switches) await handle.chown(account.uid, account.gid);
      await pipelineDone(bytes, handle.createWriteStream());
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isDiskFull(error)) throw new ConnectError('not enough disk space available', Code.ResourceExhausted);
    throw internal('error writing file', error);
  }
  return { path, name: basename(path), type: 'file' };
}
