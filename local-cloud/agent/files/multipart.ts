import type { Readable } from 'node:stream';
import { Code } from '@connectrpc/connect';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { failure } from '../system-error.ts';

const LIMITS = { files: 10_000, fields: 100, parts: 10_100 };

/**
 * Calls `onFile` for each part named `file`, with its file name as sent (folders included), and resolves with the results
 * in order once the body has ended. Rejects at the first failure. Parts with other names are skipped.
 */
export function readMultipart<T>(
  body: Readable,
  contentType: string,
  onFile: (name: string, bytes: Readable) => Promise<T>,
): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const results: Promise<T>[] = [];
    const parts: BusboyFileStream[] = [];
    const fail = (error: unknown) => {
      body.unpipe();
      // A part that never ends would keep its file open.
      for (const part of parts) if (!part.readableEnded) part.destroy(new Error('the body ended early'));
      // The rest of the body is read and dropped, so that the response can be sent.
      body.resume();
      reject(error);
    };
    const malformed = (error: unknown) => fail(failure(Code.InvalidArgument, 'error reading form', error));
    try {
      const parser = new Busboy({
        headers: { 'content-type': contentType },
        preservePath: true,
        limits: LIMITS,
      });
      parser.on('file', (field: string, bytes: BusboyFileStream, name: string) => {
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
