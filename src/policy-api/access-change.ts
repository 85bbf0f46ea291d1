import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { SandgateError } from '../errors.ts';
import { policyUnreadable } from '../policy/compile.ts';
import { firstFault } from '../policy/field-fault.ts';
import { policyInvalid } from '../policy/put.ts';
import {
  storedSchema,
  storedTokenSchema,
  TOKENS_MAX,
  tooManyTokens,
  type UnreadRecord,
} from '../policy/record.ts';
import type { PolicyStore } from '../policy/store.ts';

/** Conflicts between writers of one sandbox are rare, and random pauses separate those that occur. */
const ATTEMPTS = 10;
const LONGEST_PAUSE_MS = 32;

interface Collaborators {
  store: PolicyStore;
  random(bytes: number): Buffer;
  /** Throws SANDBOX_UNKNOWN. */
  get(sandboxId: string): Promise<UnreadRecord>;
}

/**
 * Reads the access part, edits it, and writes it back; starts again if it was changed in the meantime. What the edit
 * leaves as it was is not held to the rules for puts, some of which are newer than the record: a token must be revocable
 * whatever else the record contains. Throws what the edit throws, SANDBOX_UNKNOWN, POLICY_UNREADABLE, POLICY_INVALID,
 * and VERSION_CONFLICT after ten attempts.
 */
export async function changeAccess<Edited extends { access: Access }>(
  { store, random, get }: Collaborators,
  sandboxId: string,
  edit: (access: Access) => Edited,
): Promise<{ edited: Edited; sequence: number }> {
  for (let left = ATTEMPTS; ; left--) {
    const edited = edit(readAccess(await get(sandboxId), sandboxId));
    const { access } = edited;
    if (access.tokens.length > TOKENS_MAX) throw policyInvalid('access.tokens', tooManyTokens);
    try {
      const { sequence } = await store.write([{ sandboxId, access }]);
      return { edited, sequence };
    } catch (error) {
      if (left <= 1 || !(error instanceof SandgateError) || error.code !== 'VERSION_CONFLICT') throw error;
    }
    await pause(random(1)[0]! % LONGEST_PAUSE_MS);
  }
}

const accessSchema = storedSchema.shape.access.extend({ tokens: z.array(storedTokenSchema) });

/** The access part of a stored record, with every token read. */
export type Access = z.infer<typeof accessSchema>;

/** Throws POLICY_UNREADABLE if any field or token cannot be read, because an edit would drop it. */
export function readAccess(record: UnreadRecord, sandboxId: string): Access {
  const read = accessSchema.safeParse(record.access);
  if (read.success) return read.data;
  const { field, cause } = firstFault(read.error);
  throw policyUnreadable(sandboxId, { field: field === 'record' ? 'access' : `access.${field}`, cause });
}
