import { createHash } from 'node:crypto';
import type { Flags } from '../../config.ts';
import { SandgateError } from '../../errors.ts';
import { type Policies, withPolicies } from '../connect.ts';
import type { Io } from '../io.ts';
import { Progress } from '../progress.ts';
import { ImportBatch } from './import-batch.ts';
import { type ImportReport, importFailed, printImport } from './import-report.ts';
import { type ImportSource, type Line, openImport, readLines } from './import-source.ts';
import { ImportJudge, type Verdict } from './import-validator.ts';
import { trailerFault } from './policy-export.ts';
import { StoredView } from './stored-view.ts';

export interface ImportChoices {
  /** `stop`: one bad line, and nothing is written. `skip`: the others are. */
  onError: 'stop' | 'skip';
  /** Whether the trailer must be there and right. */
  verify: boolean;
  dryRun: boolean;
}

/** No record comes near; what is longer is no line of an export. */
const LONGEST_LINE = 1024 * 1024;

/** `policy import <file|->`: all of it is judged and verified before the first record is written. */
export async function policyImport(
  io: Io,
  file: string,
  choices: ImportChoices,
  flags: Flags,
  json: boolean,
): Promise<void> {
  const source = await openImport(io, file);
  try {
    await withPolicies(io, flags, { quiet: json }, async (policies) => {
      const progress = new Progress(io, () => performance.now());
      const run = {
        io,
        source,
        policies,
        choices,
        tell: (text: () => string) => json || progress.tell(text),
      };
      try {
        const report = await judgeAll(run);
        if (report.bad.length > 0 && choices.onError === 'stop') throw importFailed(report);
        if (!choices.dryRun) await writeAll(run, report);
        progress.end();
        printImport(io, report, policies.way, json);
      } catch (error) {
        progress.end();
        throw error;
      }
    });
  } finally {
    await source.close();
  }
}

interface Run {
  source: ImportSource;
  policies: Policies;
  choices: ImportChoices;
  tell(text: () => string): void;
}

/** The first pass. Throws INPUT_INVALID where the trailer is asked for and does not fit. */
async function judgeAll({ source, policies, choices, tell }: Run): Promise<ImportReport> {
  const { dryRun } = choices;
  const report: ImportReport = { dryRun, lines: 0, writable: 0, written: 0, unchanged: 0, bad: [] };
  const hash = createHash('sha256');
  let trailer: { value: unknown; sha256: string } | undefined;
  for await (const [line, verdict] of judged(source, policies)) {
    if (verdict.kind === 'trailer') {
      if (trailer === undefined) trailer = { value: verdict.trailer, sha256: hash.copy().digest('hex') };
      else if (choices.verify)
        throw notWhole(source.name, 'it holds more than one trailer, so it is several exports');
      continue;
    }
    hash.update(line.bytes);
    if (verdict.kind === 'blank') continue;
    if (trailer !== undefined && choices.verify)
      throw notWhole(source.name, `line ${line.number} comes after the trailer`);
    report.lines += 1;
    if (verdict.kind === 'write') report.writable += 1;
    else if (verdict.kind === 'unchanged') report.unchanged += 1;
    else report.bad.push({ line: line.number, error: verdict.error });
    tell(() => `${report.lines} policies checked`);
  }
  const fault = trailerFault(trailer?.value, report.lines, trailer?.sha256 ?? '');
  if (choices.verify && fault !== undefined) throw notWhole(source.name, fault);
  return report;
}

/** The second pass. Counts in `report` as it goes. */
async function writeAll({ source, policies, choices, tell }: Run, report: ImportReport): Promise<void> {
  const skip = (line: number, error: SandgateError) => void report.bad.push({ line, error });
  const known = new Set(report.bad.map(({ line }) => line));
  const batch = new ImportBatch(policies.admin, choices.onError === 'skip' ? skip : undefined);
  for await (const [line, verdict] of judged(source, policies)) {
    if (verdict.kind === 'bad' && !known.has(line.number)) {
      // Since the first pass the store or the file has changed, such as by a revocation.
      if (choices.onError === 'skip') skip(line.number, verdict.error);
      else throw await batch.stoppedAt(line.number, verdict.error);
    }
    if (verdict.kind !== 'write') continue;
    await batch.add({ line: line.number, input: verdict.input, bytes: line.bytes.length });
    tell(() => `${batch.written} of ${report.writable} policies written`);
  }
  await batch.flush();
  report.written = batch.written;
  if (batch.inForce !== undefined) report.inForce = batch.inForce;
}

async function* judged(source: ImportSource, { rules, admin }: Policies): AsyncGenerator<[Line, Verdict]> {
  const judge = new ImportJudge(rules, new StoredView(admin), Date.now);
  for await (const line of readLines(source.read(), LONGEST_LINE)) yield [line, await judge.judge(line)];
}

function notWhole(name: string, fault: string): SandgateError {
  return new SandgateError('INPUT_INVALID', `${name} is no whole export: ${fault}; nothing was written`, {
    remedy: 'export again; or, if it is meant to be so, such as written by hand, use --no-verify',
  });
}
