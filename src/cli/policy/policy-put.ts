import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { SandgateError } from '../../errors.ts';
import { readJson } from '../../policy/strict-json.ts';
import { inForceText, warnIfNotInForce } from '../connect.ts';
import type { CommandContext } from '../context.ts';
import { type Io, print, printJson, readAll } from '../io.ts';

const LARGEST_INPUT = 64 * 1024 * 1024;

/** `policy put <file|->`. */
export function register(parent: Command, context: CommandContext): void {
  parent
    .command('put')
    .argument('<file|->', 'JSON: one record, or an array of records (one transaction); - is standard input')
    .description('write policies and wait until they are in force at the running gates')
    .option('--json', 'print the records as stored')
    .action((file: string) => policyPut(context, file));
}

async function policyPut(context: CommandContext, file: string): Promise<void> {
  const { io, json } = context;
  const input = parseInput(await readInput(io, file), file === '-' ? 'standard input' : file);
  const records = Array.isArray(input) ? input : [input];
  if (records.length === 0) throw new SandgateError('INPUT_INVALID', 'the array is empty');
  await context.connect({ reads: false }, async ({ admin, connection }) => {
    const written = await admin.put(records);
    const { gates, inForce } = written;
    if (json) printJson(io, { records: written.records, gates, inForce, via: connection });
    else
      print(
        io,
        `put ${written.records.map((put) => put.sandboxId).join(', ')}: ${inForceText(written, connection)}`,
      );
    warnIfNotInForce(io, written);
  });
}

async function readInput(io: Io, file: string): Promise<Buffer> {
  if (file === '-') return readAll(io.stdin, LARGEST_INPUT);
  try {
    return await readFile(file);
  } catch (cause) {
    throw new SandgateError('INPUT_INVALID', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

function parseInput(input: Buffer, source: string): unknown {
  const remedy = 'give one policy record, or an array of records';
  if (input.toString('latin1').trim() === '')
    throw new SandgateError('INPUT_INVALID', `${source} is empty`, { remedy });
  return readJson(input, source, { remedy });
}
