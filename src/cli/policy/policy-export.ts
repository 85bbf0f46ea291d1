import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { SandgateError } from '../../errors.ts';
import { printableJson } from '../../printable.ts';
import type { Policies } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { print, printJson, warn } from '../io.ts';
import { Progress } from '../progress.ts';
import { policyPages } from './policy-list.ts';

interface Exported {
  count: number;
  sha256: string;
  /** Ids of incomplete records, which could not be imported again. */
  unreadable: string[];
}

/** `policy export [file|-]`: JSON Lines as stored, in order of ids, with a trailer. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('export')
    .argument('[file|-]', 'output file; - is standard output', '-')
    .description('write every policy as JSON Lines, with a last line that contains their count and digest')
    .option('--json', 'with a file: print a summary of the export as JSON')
    .addHelpText('after', NOTES)
    .action((file: string) => policyExport(context, file));
}

const NOTES = `
The export contains digests of tokens, never tokens. The file appears only once it is complete, readable for its owner
only. A policy that is written during the export may or may not be included. Incomplete records are named, left out,
and make the command exit with 1.`;

async function policyExport(context: CommandContext, file: string): Promise<void> {
  const { io, json } = context;
  await context.connect({ reads: true }, async (policies) => {
    const sink = file === '-' ? streamSink(io.stdout) : await fileSink(file, process.pid);
    const progress = new Progress(io, () => performance.now());
    let exported: Exported;
    try {
      exported = await exportTo(sink, policies, (count) =>
        progress.report(() => `${count} policies exported`),
      );
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
    } else if (json) printJson(io, { file, count, sha256, unreadable, via: policies.connection });
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
    const text = whole.map((record) => `${printableJson(JSON.stringify(record))}\n`).join('');
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
    `the rest was exported, without these incomplete records: ${named}`,
    {
      remedy: 'put these policies again, or delete them',
    },
  );
}

interface ExportSink {
  /** Resolves when the sink accepts more. */
  write(text: string): Promise<void>;
  /** Only now does the file appear under its name. */
  finish(): Promise<void>;
  /** Removes a partial file after a failure. */
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

/** A file that appears only once it is complete, readable for its owner only. Throws STATE_UNUSABLE. */
async function fileSink(file: string, pid: number): Promise<ExportSink> {
  const path = await realpath(file).catch(() => file);
  // A pipe or a device must be written to, not replaced.
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

/** The last line of an export, which makes a truncated file detectable. */
export interface ExportTrailer {
  sandgateExport: 1;
  /** Number of records before it. */
  count: number;
  /** SHA-256 of every byte before it, in hex. */
  sha256: string;
}

function trailerLine(count: number, sha256: string): string {
  return `${JSON.stringify({ sandgateExport: 1, count, sha256 } satisfies ExportTrailer)}\n`;
}

/** True for an incomplete trailer too, since that cannot be a policy either. */
export function isTrailer(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'sandgateExport');
}

/** Why an export is not complete; undefined if it is. */
export function trailerFault(trailer: unknown, count: number, sha256: string): string | undefined {
  if (trailer === undefined) return 'its last line is not the trailer of an export, so it may be truncated';
  const { sandgateExport, count: expected, sha256: expectedDigest } = trailer as Partial<ExportTrailer>;
  if (sandgateExport !== 1) return 'it has a format that this version does not know';
  if (expected !== count)
    return `it contains ${count} records, but its trailer says ${JSON.stringify(expected)}`;
  return expectedDigest === sha256
    ? undefined
    : 'its SHA-256 differs from the one in its trailer, so it was changed';
}
