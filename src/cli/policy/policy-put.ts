import { readFile } from 'node:fs/promises';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import type { Flags } from '../../config.ts';
import { SandgateError } from '../../errors.ts';
import { inForceText, warnIfNotInForce, withPolicies } from '../connect.ts';
import { type Io, print, printJson, readAll } from '../io.ts';

const LARGEST_INPUT = 64 * 1024 * 1024;

/** `policy put <file|->`: one record or an array of them, written as one transaction. */
export async function policyPut(io: Io, file: string, flags: Flags, json: boolean): Promise<void> {
  const input = parseJsonInput(await readInput(io, file), file === '-' ? 'standard input' : file);
  const records = Array.isArray(input) ? input : [input];
  if (records.length === 0) throw new SandgateError('INPUT_INVALID', 'the array holds no record');
  await withPolicies(io, flags, { quiet: json }, async ({ admin, way }) => {
    const written = await admin.put(records);
    const { gates, inForce } = written;
    if (json) printJson(io, { records: written.records, gates, inForce, via: way });
    else
      print(
        io,
        `put ${written.records.map((put) => put.sandboxId).join(', ')}: ${inForceText(written, way)}`,
      );
    warnIfNotInForce(io, written);
  });
}

async function readInput(io: Io, file: string): Promise<string> {
  if (file === '-') return readAll(io.stdin, LARGEST_INPUT);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SandgateError('INPUT_INVALID', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Parses strict JSON. Throws INPUT_INVALID that names line and column, both from 1. */
function parseJsonInput(text: string, source: string): unknown {
  if (text.trim() === '') {
    throw new SandgateError('INPUT_INVALID', `${source} is empty`, {
      remedy: 'give one policy record, or an array of them',
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { line, column, problem } = locate(text);
    throw new SandgateError(
      'INPUT_INVALID',
      `${source} is not JSON: ${problem} at line ${line}, column ${column}`,
      {
        remedy: 'give one policy record, or an array of them',
        cause,
      },
    );
  }
}

/** JSON.parse does not always say where. */
function locate(text: string): { line: number; column: number; problem: string } {
  const errors: ParseError[] = [];
  parse(text, errors, { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false });
  const first = errors[0];
  const before = text.slice(0, first?.offset ?? 0);
  const problem = first === undefined ? 'syntax error' : printParseErrorCode(first.error);
  return {
    line: before.split('\n').length,
    column: before.length - before.lastIndexOf('\n'),
    problem: problem.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase(),
  };
}
