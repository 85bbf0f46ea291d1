import { SandgateError, toSandgateError } from '../../errors.ts';
import type { InForceAt, PolicyAdmin } from '../../policy-api/policy-admin.ts';
import { isRecordFault } from './import-validator.ts';

/** A record to write, and the line that it came from. */
export interface ImportedRecord {
  line: number;
  input: unknown;
  bytes: number;
}

/** Half of what the policy API accepts in one request, and small enough to not block other writers for long. */
const BATCH_BYTES = 512 * 1024;
export const BATCH_RECORDS = 500;

/** Writes records in batches, each in one transaction. */
export class ImportBatch {
  readonly #admin: Pick<PolicyAdmin, 'put'>;
  /** Called for a record that the store refuses; if undefined, the import stops there. */
  readonly #onRefused: ((line: number, error: SandgateError) => void) | undefined;
  #held: ImportedRecord[] = [];
  #bytes = 0;
  written = 0;
  inForce: InForceAt | undefined;

  constructor(
    admin: Pick<PolicyAdmin, 'put'>,
    onRefused: ((line: number, error: SandgateError) => void) | undefined,
  ) {
    this.#admin = admin;
    this.#onRefused = onRefused;
  }

  async add(record: ImportedRecord): Promise<void> {
    if (this.#bytes + record.bytes > BATCH_BYTES || this.#held.length === BATCH_RECORDS) await this.flush();
    this.#held.push(record);
    this.#bytes += record.bytes;
  }

  async flush(): Promise<void> {
    const batch = this.#held;
    this.#held = [];
    this.#bytes = 0;
    if (batch.length > 0) await this.#write(batch);
  }

  /** Flushes, and returns the error of an import that stops at a line outside this batch. */
  async stoppedAt(line: number, error: SandgateError): Promise<SandgateError> {
    await this.flush();
    return this.#stopped(error, `line ${line}`);
  }

  async #write(batch: ImportedRecord[]): Promise<void> {
    try {
      const { sequence, gates, inForce } = await this.#admin.put(batch.map(({ input }) => input));
      this.written += batch.length;
      this.inForce = { sequence, gates, inForce: inForce && this.inForce?.inForce !== false };
    } catch (thrown) {
      const error = toSandgateError(thrown);
      if (this.#onRefused === undefined || !isRecordFault(error))
        throw this.#stopped(error, linesOf(batch, error));
      if (batch.length === 1) return this.#onRefused(batch[0]!.line, error);
      // Bisects until the refused record is alone in its batch.
      const middle = batch.length >> 1;
      await this.#write(batch.slice(0, middle));
      await this.#write(batch.slice(middle));
    }
  }

  #stopped(error: SandgateError, lines: string): SandgateError {
    const before = `${this.written} records were written before, the others were not`;
    return new SandgateError(error.code, `${lines}: ${error.message} (${before})`, {
      ...(error.field !== undefined && { field: error.field }),
      remedy: `${error.remedy ? `${error.remedy}; then ` : ''}run the import again, which leaves the records already written alone`,
      cause: error,
    });
  }
}

function linesOf(batch: readonly ImportedRecord[], error: SandgateError): string {
  const at = /^\[(\d+)\]/.exec(error.field ?? '')?.[1];
  const one = batch[at === undefined && batch.length === 1 ? 0 : Number(at ?? Number.NaN)];
  return one ? `line ${one.line}` : `lines ${batch[0]!.line} to ${batch.at(-1)!.line}`;
}
