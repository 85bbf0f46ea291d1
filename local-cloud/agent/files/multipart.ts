import type { Readable } from 'node:stream';
import { Code } from '@connectrpc/connect';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { failure } from '../system-error.ts';

const LIMITS = { files: 10_000, fields: 100, parts: 10_100 };

/**
 * Calls `onFile` for each part named `file`, with its file name as sent (folders included) if it has one, and resolves with
 * the results in order once the body has ended. Rejects at the first failure. Parts with other names are skipped.
 */
export function readMultipart<T>(
  body: Readable,
  contentType: string,
  onFile: (name: string | undefined, bytes: Readable) => Promise<T>,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const results: Promise<T>[] = [];
    const parts: BusboyFileStream[] = [];
    const fail = (error: unknown) => {
      body.unpipe();
      // A part that never ends would keep its file open. Those before the last are complete, and are written.
      const last = parts.at(-1);
      if (last?.readableEnded === false) last.destroy(new Error('the body ended early'));
      // The rest of the body is read and dropped, so that the response can be sent.
      body.resume();
      Promise.allSettled(results).then(() => reject(error));
    };
    const malformed = (error: unknown) => fail(failure(Code.InvalidArgument, 'error reading form', error));
    try {
      const parser = new Busboy({
        headers: { 'content-type': contentType },
        preservePath: true,
        limits: LIMITS,
        // `FormData.append('file', 'text')` sends no file name. As a field it would be held in memory, and cut at 1 MB.
        isPartAFile: (field, type, name) =>
          field === 'file' || type === 'application/octet-stream' || name !== undefined,
      });
      parser.on('file', (field: string, bytes: BusboyFileStream, name: string | undefined) => {
        if (field !== 'file') return void bytes.resume();
        parts.push(bytes);
        bytes.on('error', () => {});
        const result = onFile(name, bytes);
        results.push(result);
        result.catch(fail);
      });
      for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
        parser.on(limit, () => malformed(new Error('too many parts')));
      }
      parser.on('error', malformed);
      parser.on('finish', () => Promise.all(results).then(resolve, reject));
      body.on('error', malformed);
      body.on('close', () => {
        if (!body.readableEnded) malformed(new Error('the body ended early'));
      });
      body.pipe(parser);
    } catch (error) {
      malformed(error);
    }
  });
}
