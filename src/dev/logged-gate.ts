import { closeSync, readFileSync } from 'node:fs';
import { SandgateError } from '../errors.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from '../fleet/gate-process.ts';
import { openLog } from '../folder.ts';

/** Starts a gate of the local stack that logs to a file. Throws GATE_FAILED with the gate's own last error. */
export async function startLoggedGate(
  logFile: string,
  options: Pick<GateProcessOptions, 'stateDir' | 'flags' | 'onStart'>,
): Promise<GateProcess> {
  const log = openLog(logFile);
  try {
    // Envoy stops before the gates, so there is nothing to drain for.
    return await startGateProcess({ ...options, stderr: log, graceMs: undefined });
  } catch (error) {
    const { cause, remedy } = lastWords(logFile);
    throw new SandgateError('GATE_FAILED', `${(error as Error).message}: ${cause}`, {
      remedy: orSeeLog(remedy, logFile),
    });
  } finally {
    closeSync(log);
  }
}

/** The last error in the log of a child that has ended, or its last line, and the remedy that it names. */
export function lastWords(logFile: string): { cause: string; remedy: string | undefined } {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  const from = lines.findLastIndex((line) => line.startsWith('sandgate: '));
  if (from < 0) return { cause: lines.at(-1) ?? '', remedy: undefined };
  // A message may have several lines; the last one ends with the code.
  const length = lines.slice(from).findIndex((line) => / \[[A-Z_]+\]$/.test(line)) + 1;
  const message = lines.slice(from, from + Math.max(length, 1)).join('\n');
  const next = length > 0 ? lines[from + length] : undefined;
  return {
    cause: message.slice('sandgate: '.length),
    remedy: next?.startsWith('fix: ') ? next.slice('fix: '.length) : undefined,
  };
}

/** A remedy: the one of the child, or to read its log. */
export function orSeeLog(remedy: string | undefined, logFile: string): string {
  return `${remedy === undefined ? '' : `${remedy}; or `}see ${logFile}`;
}
