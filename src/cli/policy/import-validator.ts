import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { SandgateError, toSandgateError } from '../../errors.ts';
import { mergePut } from '../../policy/merge.ts';
import type { PolicyRules } from '../../policy/network.ts';
import { parsePut } from '../../policy/put.ts';
import type { UnreadRecord } from '../../policy/record.ts';
import { parseStrictJson } from '../../policy/strict-json.ts';
import type { Line } from './import-source.ts';
import { isTrailer } from './policy-export.ts';
import type { StoredView } from './stored-view.ts';

/** The result of validating one line of an import. */
export type LineResult =
  | { kind: 'blank' }
  | { kind: 'trailer'; trailer: unknown }
  /** `input`: of the put, without versions. */
  | { kind: 'write'; input: unknown }
  | { kind: 'unchanged' }
  | { kind: 'bad'; error: SandgateError };

/** Validates lines in order by the rules of the store, so that all refusals are known before anything is written. */
export class ImportValidator {
  readonly #rules: PolicyRules;
  readonly #stored: StoredView;
  readonly #now: () => number;
  readonly #seen = new Set<string>();

  constructor(rules: PolicyRules, stored: StoredView, now: () => number) {
    this.#rules = rules;
    this.#stored = stored;
    this.#now = now;
  }

  async validate(line: Line): Promise<LineResult> {
    const parsed = parseLine(line.bytes);
    if (parsed === undefined) return { kind: 'blank' };
    if (parsed instanceof SandgateError) return { kind: 'bad', error: parsed };
    if (isTrailer(parsed.value)) return { kind: 'trailer', trailer: parsed.value };
    const input = withoutVersions(parsed.value);
    try {
      const put = parsePut(input, this.#rules);
      if (this.#seen.has(put.sandboxId)) {
        throw new SandgateError('POLICY_INVALID', 'sandboxId repeats that of an earlier line', {
          field: 'sandboxId',
        });
      }
      this.#seen.add(put.sandboxId);
      const stored = await this.#stored.lookup(put.sandboxId);
      const { routing } = this.#rules;
      const merged = mergePut(stored, put, {
        routing,
        now: this.#now(),
        version: '',
        mintIncarnation: () => '',
      });
      const same =
        stored !== undefined && isDeepStrictEqual(withoutVersions(merged), withoutVersions(stored));
      return same ? { kind: 'unchanged' } : { kind: 'write', input };
    } catch (thrown) {
      const error = toSandgateError(thrown);
      if (!isRecordFault(error)) throw error;
      return { kind: 'bad', error };
    }
  }
}

/** True for errors that concern one record, independent of the others. */
export function isRecordFault(error: SandgateError): boolean {
  return ['POLICY_INVALID', 'TOKEN_REVOKED', 'VERSION_CONFLICT', 'POLICY_UNREADABLE'].includes(error.code);
}

function parseLine(bytes: Buffer): { value: unknown } | SandgateError | undefined {
  if (!isUtf8(bytes)) return new SandgateError('INPUT_INVALID', 'it is not valid UTF-8');
  const text = bytes.toString('utf8');
  if (text.trim() === '') return undefined;
  const read = parseStrictJson(text);
  if ('value' in read) return read;
  const { problem, column } = read.fault;
  return new SandgateError('INPUT_INVALID', `it is not JSON: ${problem} at column ${column}`);
}

/** Each store assigns its own versions: in another store, or after a restore, they would only cause conflicts. */
function withoutVersions(value: unknown): unknown {
  if (!isObject(value)) return value;
  const { runtime, access }: UnreadRecord = value;
  return {
    ...value,
    ...(isObject(runtime) && { runtime: withoutVersion(runtime) }),
    ...(isObject(access) && { access: withoutVersion(access) }),
  };
}

function withoutVersion({ version, ...rest }: { version?: unknown }): object {
  return rest;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
