import { once } from 'node:events';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { SandgateError } from '../errors.ts';

/** Where an export goes. */
export interface ExportSink {
  /** Resolves when more is welcome. */
  write(text: string): Promise<void>;
  /** Only now does a file have its name. */
  finish(): Promise<void>;
  /** After a failure: no half of a file is left. */
  abandon(): Promise<void>;
}

export function streamSink(stream: Writable): ExportSink {
  return {
    async write(text) {
      if (!stream.write(text)) await once(stream, 'drain');
    },
    async finish() {},
    async abandon() {},
  };
}

/** A file that appears whole or not at all, readable for its owner only. Throws STATE_UNUSABLE. */
export async function fileSink(file: string, pid: number): Promise<ExportSink> {
  const path = await realpath(file).catch(() => file);
  // A pipe or a device is written to, never replaced.
  const special = await stat(path).then(
    (found) => !found.isFile(),
    () => false,
  );
  const draft = special ? path : `${path}.${pid}.new`;
  const handle = await writing(file, () => open(draft, special ? 'w' : 'wx', 0o600));
  return {
    write: (text) => writing(file, () => handle.writeFile(text)),
    finish: () =>
      writing(file, async () => {
        if (!special) await handle.sync();
        await handle.close();
        if (!special) await rename(draft, path);
      }),
    async abandon() {
      await handle.close().catch(() => {});
      if (!special) await rm(draft, { force: true });
    },
  };
}

async function writing<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new SandgateError('STATE_UNUSABLE', `cannot write ${file}: ${(cause as Error).message}`, {
      remedy: 'name a file in a folder that exists, is writable and has room',
      cause,
    });
  }
}
