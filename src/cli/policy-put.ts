import { readFile } from 'node:fs/promises';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { inForceText, warnIfNotInForce } from './in-force-text.ts';
import { type Io, print, printJson, readAll } from './io.ts';
import { parseJsonInput } from './json-input.ts';
import { withPolicies } from './policies.ts';

const LARGEST_INPUT = 64 * 1024 * 1024;

/** `policy put <file|->`: one record or an array of them, written as one transaction. */
export async function policyPut(io: Io, file: string, flags: Flags, json: boolean): Promise<void> {
  const input = parseJsonInput(await readInput(io, file), file === '-' ? 'standard input' : file);
  const records = Array.isArray(input) ? input : [input];
  await withPolicies(io, flags, json, async ({ admin, way }) => {
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
