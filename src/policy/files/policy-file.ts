import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError, toSandgateError } from '../../errors.ts';
import type { Clock } from '../clock.ts';
import { newRecord } from '../merge.ts';
import type { PolicyRules } from '../network.ts';
import { parsePut } from '../put.ts';
import type { PolicyPut, StoredRecord } from '../record.ts';
import { parseStrictJson } from '../strict-json.ts';
import { parseBoundedYaml } from './bounded-yaml.ts';

/** In bytes. A policy with 64 tokens of 256 ports each and 1,024 revoked digests, one value per line, has 400 KiB. */
const SIZE_MAX = 512 * 1024;
/** That policy has 18,000. */
const JSON_VALUES_MAX = 32_768;

/** In ms. A parse that took longer is followed by a pause as long, so that requests get half of the time at least. */
const LONG_MS = 5;

/** A record whose versions the store has yet to set, also as JSON; or why the file is invalid. */
export type PolicyFileContent = { record: StoredRecord; json: string } | { fault: string };

/**
 * Reads `<folder>/<sandboxId>.yaml` or `.json`, which contains one put, within limits that keep the gate answering.
 * Never throws.
 */
export async function readPolicyFile(
  path: string,
  sandboxId: string,
  rules: PolicyRules,
  clock: Clock,
): Promise<PolicyFileContent> {
  try {
    const { text, modified } = await readBounded(path);
    const startedAt = clock.monotonic();
    const content = contentOf(path, text, sandboxId, rules, Math.min(modified, clock.now()));
    const tookMs = clock.monotonic() - startedAt;
    if (tookMs > LONG_MS) await pause(tookMs);
    return content;
  } catch (error) {
    // The system's own message contains the whole path.
    if (!(error instanceof SandgateError)) return { fault: `cannot be read (${systemCode(error)})` };
    return { fault: error.message };
  }
}

function contentOf(
  path: string,
  text: string,
  sandboxId: string,
  rules: PolicyRules,
  now: number,
): PolicyFileContent {
  try {
    // A file that says public is a stored policy, not a write: like every stored one, it is treated as restricted.
    const stored: PolicyRules = { ...rules, publicTraffic: 'allow' };
    const put = parsePut(path.endsWith('.json') ? parseJson(text) : parseBoundedYaml(text), stored);
    if (put.sandboxId !== sandboxId) return { fault: 'sandboxId is not the name of the file' };
    const record = toRecord(put, rules, now);
    return { record, json: JSON.stringify(record) };
  } catch (error) {
    return { fault: toSandgateError(error).message };
  }
}

/** The system's name for an error, such as ENOENT. */
export function systemCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
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

function parseJson(text: string): unknown {
  const read = parseStrictJson(text, JSON_VALUES_MAX);
  if ('value' in read) return read.value;
  const { line, column, problem } = read.fault;
  throw inputInvalid(`line ${line}, column ${column}: ${problem}`);
}

async function readBounded(path: string): Promise<{ text: string; modified: number }> {
  // The open of a FIFO, which may have taken the file's place, would otherwise wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw inputInvalid('not a regular file');
    if (found.size > SIZE_MAX) throw inputInvalid(`larger than ${SIZE_MAX / 1024} KiB`);
    // One byte more, to notice a file that has grown.
    const buffer = Buffer.alloc(found.size + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await file.read(buffer, length, buffer.length - length)).bytesRead;
    }
    if (length > found.size) throw inputInvalid('it grew while it was read');
    const bytes = buffer.subarray(0, length);
    if (!isUtf8(bytes)) throw inputInvalid('it is not UTF-8');
    return { text: bytes.toString('utf8'), modified: found.mtimeMs };
  } finally {
    await file.close();
  }
}

function inputInvalid(reason: string): SandgateError {
  return new SandgateError('INPUT_INVALID', `cannot be read as YAML or JSON: ${reason}`);
}
