import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { Flags } from '../../config.ts';
import { SandgateError } from '../../errors.ts';
import { type Policies, withPolicies } from '../connect.ts';
import { type Io, print, printJson, warn } from '../io.ts';
import { Progress } from '../progress.ts';
import { policyPages } from './policy-read.ts';

interface Exported {
  count: number;
  sha256: string;
  /** Ids of records that are not whole, and so could not be imported. */
  unreadable: string[];
}

/** `policy export [file|-]`: JSON Lines as stored, in the order of ids, with a trailer. */
export async function policyExport(io: Io, file: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, { quiet: json, reads: true }, async (policies) => {
    const sink = file === '-' ? streamSink(io.stdout) : await fileSink(file, process.pid);
    const progress = new Progress(io, () => performance.now());
    let exported: Exported;
    try {
      exported = await exportTo(sink, policies, (count) => progress.tell(() => `${count} policies exported`));
    } catch (error) {
      await sink.abandon();
      throw error;
    } finally {
      progress.end();
    }
    const { count, sha256, unreadable } = exported;
    const text = `exported ${count} ${count === 1 ? 'policy' : 'policies'}`;
    if (file === '-') {
      if (!json) warn(io, text);
    } else if (json) printJson(io, { file, count, sha256, unreadable, via: policies.way });
    else print(io, `${text} to ${file}`);
    if (unreadable.length > 0) throw leftOut(unreadable);
  });
}

async function exportTo(
  sink: ExportSink,
  { admin }: Policies,
  onProgress: (count: number) => void,
): Promise<Exported> {
  const hash = createHash('sha256');
  const exported: Exported = { count: 0, sha256: '', unreadable: [] };
  for await (const page of policyPages(admin)) {
    const whole = page.filter((record) => 'runtime' in record && 'access' in record);
    exported.unreadable.push(
      ...page.filter((record) => !whole.includes(record)).map(({ sandboxId }) => String(sandboxId)),
    );
    const text = whole.map((record) => `${JSON.stringify(record)}\n`).join('');
    hash.update(text);
    await sink.write(text);
    exported.count += whole.length;
    onProgress(exported.count);
  }
  exported.sha256 = hash.digest('hex');
  await sink.write(trailerLine(exported.count, exported.sha256));
  await sink.finish();
  return exported;
}

function leftOut(ids: readonly string[]): SandgateError {
  const named = ids.slice(0, 10).join(', ') + (ids.length > 10 ? ', …' : '');
  return new SandgateError(
    'POLICY_UNREADABLE',
    `the rest was exported; left out, since they are not whole: ${named}`,
    {
      remedy: 'put these policies again, or delete them',
    },
  );
}

/** Where an export goes. */
interface ExportSink {
  /** Resolves when more is welcome. */
  write(text: string): Promise<void>;
  /** Only now does a file have its name. */
  finish(): Promise<void>;
  /** After a failure: no half of a file is left. */
  abandon(): Promise<void>;
}

function streamSink(stream: Writable): ExportSink {
  return {
    async write(text) {
      if (!stream.write(text)) await once(stream, 'drain');
    },
    async finish() {},
    async abandon() {},
  };
}

/** A file that appears whole or not at all, readable for its owner only. Throws STATE_UNUSABLE. */
async function fileSink(file: string, pid: number): Promise<ExportSink> {
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

/** The last line of an export: without it the rest may be cut, and nobody would see. */
export interface ExportTrailer {
  sandgateExport: 1;
  /** Records before it. */
  count: number;
  /** SHA-256 in hex over every byte before it. */
  sha256: string;
}

function trailerLine(count: number, sha256: string): string {
  return `${JSON.stringify({ sandgateExport: 1, count, sha256 } satisfies ExportTrailer)}\n`;
}

/** True also for one that is not whole: it is no policy in any case. */
export function isTrailer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'sandgateExport');
}

/** Why an export is not whole, as a sentence; undefined when it is. */
export function trailerFault(trailer: unknown, count: number, sha256: string): string | undefined {
  if (trailer === undefined)
    return 'its last line is not the trailer that an export ends with, so it may be cut short';
  const { sandgateExport, count: told, sha256: toldDigest } = trailer as Partial<ExportTrailer>;
  if (sandgateExport !== 1) return 'it was exported in a form that this version does not know';
  if (told !== count) return `it holds ${count} records, its trailer says ${JSON.stringify(told)}`;
  return toldDigest === sha256
    ? undefined
    : 'its SHA-256 is not the one that its trailer says, so it was changed';
}
