import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { SandgateError, toSandgateError } from '../../errors.ts';
import { newRecord } from '../merge.ts';
import type { PolicyRules } from '../network.ts';
import { parsePut } from '../put.ts';
import type { PolicyPut, StoredRecord } from '../record.ts';

/** In bytes. A record with 64 tokens of 256 ports each is much smaller. */
const SIZE_MAX = 1024 * 1024;

/** A record whose versions the store has yet to set, or why the file is invalid. */
export type PolicyFileContent = { record: StoredRecord } | { fault: string };

/** Reads `<folder>/<sandboxId>.yaml`, which contains one put. Never throws. `now`: milliseconds since 1970. */
export async function readPolicyFile(
  path: string,
  sandboxId: string,
  rules: PolicyRules,
  now: number,
): Promise<PolicyFileContent> {
  try {
    const { text, modified } = await readBounded(path);
    const put = parsePut(parseText(text), rules);
    if (put.sandboxId !== sandboxId) return { fault: 'sandboxId is not the name of the file' };
    return { record: toRecord(put, rules, Math.min(modified, now)) };
  } catch (error) {
    return { fault: toSandgateError(error).message };
  }
}

/** What the file omits is derived from the file, so that every gate reads the same record from it. */
function toRecord(put: PolicyPut, rules: PolicyRules, now: number): StoredRecord {
  // A version that `policy get` printed belongs to the store that it was read from.
  const bare = {
    sandboxId: put.sandboxId,
    ...(put.runtime && { runtime: withoutVersion(put.runtime) }),
    ...(put.access && { access: withoutVersion(put.access) }),
  };
  // Not from state or end: a paused sandbox keeps its incarnation.
  const hash = createHash('sha256').update(JSON.stringify([put.sandboxId, put.runtime?.route ?? null]));
  const mintIncarnation = () => hash.digest('hex').slice(0, 16);
  return newRecord(bare, { routing: rules.routing, now, version: '', mintIncarnation });
}

function withoutVersion<Part extends { version?: string | undefined }>(part: Part): Omit<Part, 'version'> {
  const { version: _, ...rest } = part;
  return rest;
}

/** YAML 1.2 includes JSON, so one parser reads both, and a repeated key is an error in both. */
function parseText(text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    const { line, col } = lines.linePos(fault.pos[0]);
    throw inputInvalid(`line ${line}, column ${col}: ${fault.code}`);
  }
  try {
    // No aliases: a few lines of them can expand to gigabytes.
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    throw inputInvalid('YAML aliases are not accepted', error);
  }
}

async function readBounded(path: string): Promise<{ text: string; modified: number }> {
  const file = await open(path);
  try {
    const { mtimeMs: modified } = await file.stat();
    const buffer = Buffer.alloc(SIZE_MAX + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= SIZE_MAX; length += read) {
      read = (await file.read(buffer, length, buffer.length - length)).bytesRead;
    }
    if (length > SIZE_MAX) throw inputInvalid('larger than 1 MiB');
    return { text: buffer.toString('utf8', 0, length), modified };
  } finally {
    await file.close();
  }
}

function inputInvalid(reason: string, cause?: unknown): SandgateError {
  return new SandgateError('INPUT_INVALID', `cannot be read as YAML or JSON: ${reason}`, { cause });
}
