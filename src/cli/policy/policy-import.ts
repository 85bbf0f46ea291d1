import { createHash } from 'node:crypto';
import { type Command, Option } from 'commander';
import { SandgateError } from '../../errors.ts';
import type { Policies } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { Progress } from '../progress.ts';
import { ImportBatch } from './import-batch.ts';
import { type ImportReport, importFailed, printImport } from './import-report.ts';
import { type ImportSource, type Line, openImport, readLines } from './import-source.ts';
import { ImportValidator, type LineResult } from './import-validator.ts';
import { trailerFault } from './policy-export.ts';
import { StoredView } from './stored-view.ts';

interface ImportOptions {
  /** With `stop`, one bad line prevents all writes; with `skip`, only its own. */
  onError: 'stop' | 'skip';
  /** Whether a correct trailer is required. */
  verify: boolean;
  dryRun?: boolean;
}

/** Much longer than any record, so a longer line cannot be from an export. */
const LONGEST_LINE = 1024 * 1024;

/** `policy import <file|->`: validates and verifies everything before it writes the first record. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('import')
    .argument('<file|->', 'output of `policy export`; - is standard input')
    .description('write the policies of an export over the stored ones; identical ones are left alone')
    .addOption(
      new Option('--on-error <stop|skip>', 'on a bad line: write nothing at all, or everything but that line')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--no-verify', 'accept a file without a correct last line, such as one written by hand')
    .option('--dry-run', 'say what would be written, and write nothing')
    .option('--json', 'print the counts and the bad lines as JSON')
    .addHelpText('after', NOTES)
    .action((file: string, options: ImportOptions) => policyImport(context, file, options));
}

const NOTES = `
Everything is read, checked and verified before anything is written. Policies are then written in batches of up to 500,
each in one transaction; to complete an interrupted import, run it again. Versions are dropped: a policy is written
over the stored one whatever its version. An import does not restore revoked tokens and deletes nothing. With
--on-error skip, skipped lines are reported and the exit code is 0.`;

async function policyImport(context: CommandContext, file: string, options: ImportOptions): Promise<void> {
  const { io, json } = context;
  const source = await openImport(io, file);
  try {
    await context.connect({ reads: false }, async (policies) => {
      const progress = new Progress(io, () => performance.now());
      const run = {
        source,
        policies,
        options,
        tell: (text: () => string) => json || progress.report(text),
      };
      try {
        const report = await validateAll(run);
        if (report.bad.length > 0 && options.onError === 'stop') throw importFailed(report);
        if (!options.dryRun) await writeAll(run, report);
        progress.end();
        printImport(io, report, policies.connection, json);
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
  options: ImportOptions;
  tell(text: () => string): void;
}

/** The first pass. Throws INPUT_INVALID if the trailer is to be verified and does not match. */
async function validateAll({ source, policies, options, tell }: Run): Promise<ImportReport> {
  const { dryRun = false, verify } = options;
  const report: ImportReport = { dryRun, lines: 0, writable: 0, written: 0, unchanged: 0, bad: [] };
  const hash = createHash('sha256');
  let trailer: { value: unknown; sha256: string } | undefined;
  for await (const [line, result] of validated(source, policies)) {
    if (result.kind === 'trailer') {
      if (trailer === undefined) trailer = { value: result.trailer, sha256: hash.copy().digest('hex') };
      else if (verify)
        throw incomplete(source.name, 'it contains more than one trailer, so it is several exports');
      continue;
    }
    hash.update(line.bytes);
    if (result.kind === 'blank') continue;
    if (trailer !== undefined && verify)
      throw incomplete(source.name, `line ${line.number} comes after the trailer`);
    report.lines += 1;
    if (result.kind === 'write') report.writable += 1;
    else if (result.kind === 'unchanged') report.unchanged += 1;
    else report.bad.push({ line: line.number, error: result.error });
    tell(() => `${report.lines} policies checked`);
  }
  const fault = trailerFault(trailer?.value, report.lines, trailer?.sha256 ?? '');
  if (verify && fault !== undefined) throw incomplete(source.name, fault);
  return report;
}

/** The second pass. Updates the counts in `report`. */
async function writeAll(
  { source, policies, options: { onError }, tell }: Run,
  report: ImportReport,
): Promise<void> {
  const skip = (line: number, error: SandgateError) => void report.bad.push({ line, error });
  const known = new Set(report.bad.map(({ line }) => line));
  const batch = new ImportBatch(policies.admin, onError === 'skip' ? skip : undefined);
  for await (const [line, result] of validated(source, policies)) {
    if (result.kind === 'bad' && !known.has(line.number)) {
      // The store or the file changed after the first pass, for example by a revocation.
      if (onError === 'skip') skip(line.number, result.error);
      else throw await batch.stoppedAt(line.number, result.error);
    }
    if (result.kind !== 'write') continue;
    await batch.add({ line: line.number, input: result.input, bytes: line.bytes.length });
    tell(() => `${batch.written} of ${report.writable} policies written`);
  }
  await batch.flush();
  report.written = batch.written;
  if (batch.inForce !== undefined) report.inForce = batch.inForce;
}

async function* validated(
  source: ImportSource,
  { rules, admin }: Policies,
): AsyncGenerator<[Line, LineResult]> {
  const validator = new ImportValidator(rules, new StoredView(admin), Date.now);
  for await (const line of readLines(source.read(), LONGEST_LINE))
    yield [line, await validator.validate(line)];
}

function incomplete(name: string, fault: string): SandgateError {
  return new SandgateError(
    'INPUT_INVALID',
    `${name} is not a complete export: ${fault}; nothing was written`,
    {
      remedy: 'export again or, if that is intended, use --no-verify',
    },
  );
}
