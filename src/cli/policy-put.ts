import { readFile } from 'node:fs/promises';
import { rulesOf } from '../app.ts';
import type { Flags } from '../config.ts';
import { SandgateError } from '../errors.ts';
import { parsePut } from '../policy/put.ts';
import { waitInForce } from '../server/in-force.ts';
import { type Io, print, printJson, readAll, warn } from './io.ts';
import { parseJsonInput } from './json-input.ts';
import { withPolicies } from './policies.ts';

const LARGEST_INPUT = 64 * 1024 * 1024;

/** `policy put <file|->`: one record or an array of them, written as one transaction. */
export async function policyPut(io: Io, file: string, flags: Flags, json: boolean): Promise<void> {
  const input = parseJsonInput(await readInput(io, file), file === '-' ? 'standard input' : file);
  const records = Array.isArray(input) ? input : [input];
  await withPolicies(flags, async (store, settings) => {
    const rules = rulesOf(settings);
    const puts = records.map((record, index) =>
      inArray(records.length, index, () => parsePut(record, rules)),
    );
    const written = await store.write(puts);
    const force = await waitInForce(settings.stateDir, written.sequence, () => performance.now());

    if (json)
      printJson(io, { records: written.records, gates: force.gates, inForce: force.behind.length === 0 });
    else print(io, `put ${puts.map((put) => put.sandboxId).join(', ')}: ${inForceText(force.gates)}`);
    for (const gate of force.behind)
      warn(io, `written, but the gate with pid ${gate.pid} has not taken it up yet`);
  });
}

export function inForceText(gates: number): string {
  if (gates === 0) return 'written; no gate runs on this state folder';
  return `in force at ${gates} gate${gates === 1 ? '' : 's'}`;
}

/** A fault inside an array names the element. */
function inArray<T>(count: number, index: number, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (count === 1 || !(error instanceof SandgateError)) throw error;
    const field = `[${index}].${error.field ?? ''}`;
    throw new SandgateError(error.code, `[${index}].${error.message}`, { field, cause: error });
  }
}

async function readInput(io: Io, file: string): Promise<string> {
  if (file === '-') return readAll(io.stdin, LARGEST_INPUT);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SandgateError('INPUT_INVALID', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}
