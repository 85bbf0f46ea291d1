import { createHash } from 'node:crypto';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { type ExportSink, fileSink, streamSink } from './export-sink.ts';
import { trailerLine } from './export-trailer.ts';
import { type Io, print, printJson, warn } from './io.ts';
import { type Policies, withPolicies } from './policies.ts';
import { policyPages } from './policy-pages.ts';
import { Progress } from './progress.ts';

interface Exported {
  count: number;
  sha256: string;
  /** Ids of records that are not whole, and so could not be imported. */
  unreadable: string[];
}

/** `policy export [file|-]`: JSON Lines as stored, in the order of ids, with a trailer. */
export async function policyExport(io: Io, file: string, flags: Flags, json: boolean): Promise<void> {
  await withPolicies(io, flags, json, async (policies) => {
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
