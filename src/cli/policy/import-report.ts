import { SandgateError } from '../../errors.ts';
import type { InForceAt } from '../../policy-api/policy-admin.ts';
import { type Connection, inForceText, warnIfNotInForce } from '../connect.ts';
import { type Io, print, printJson, warn } from '../io.ts';

/** The outcome of an import. */
export interface ImportReport {
  dryRun: boolean;
  /** Records, good and bad. */
  lines: number;
  /** Records that differ from what is stored. */
  writable: number;
  written: number;
  unchanged: number;
  bad: { line: number; error: SandgateError }[];
  /** For the last batch; absent if nothing was written. */
  inForce?: InForceAt;
}

/** Enough to see the problem; in a file of another kind every line is bad. */
const NAMED = 20;

function importAsJson(report: ImportReport, connection: Connection): object {
  const { dryRun, writable, written, unchanged, bad, inForce } = report;
  return {
    ...(dryRun ? { wouldWrite: writable } : { written }),
    unchanged,
    skipped: bad.length,
    badLines: bad.map(({ line, error: { code, message, field } }) => ({ line, code, message, field })),
    dryRun,
    ...(inForce && { gates: inForce.gates, inForce: inForce.inForce }),
    via: connection,
  };
}

export function printImport(io: Io, report: ImportReport, connection: Connection, json: boolean): void {
  const { dryRun, writable, written, unchanged, bad, inForce } = report;
  if (inForce) warnIfNotInForce(io, inForce);
  if (json) {
    printJson(io, importAsJson(report, connection));
    return;
  }
  for (const text of named(report)) warn(io, `skipped ${text}`);
  const counts = `${unchanged} unchanged, ${bad.length} skipped`;
  if (dryRun) print(io, `would write ${writable}, ${counts}; nothing was written`);
  else print(io, `imported ${written}, ${counts}${inForce ? `: ${inForceText(inForce, connection)}` : ''}`);
}

/** The error of an import that stops at bad lines. */
export function importFailed(report: ImportReport): SandgateError {
  const { error } = report.bad[0]!;
  const message = `${report.bad.length} of ${report.lines} lines are bad, nothing was written:\n${named(report).join('\n')}`;
  return new SandgateError(error.code, message, {
    ...(error.field !== undefined && { field: error.field }),
    remedy: 'fix them, or skip them with --on-error skip',
    cause: error,
  });
}

function named({ bad }: ImportReport): string[] {
  const first = bad.slice(0, NAMED).map(({ line, error }) => `line ${line}: ${error.message}`);
  return bad.length > NAMED ? [...first, `and ${bad.length - NAMED} more`] : first;
}
