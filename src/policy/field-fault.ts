import type { z } from 'zod';
import { SandgateError } from '../errors.ts';
import { sandboxIdSchema } from './record.ts';

/** The first fault of a reading: its path such as `access.tokens[0].sha256`, and a cause that names no value. */
export interface FieldFault {
  field: string;
  cause: string;
}

/** An unknown field is whatever the caller sent, a token maybe, and is given back only where it looks like a field. */
const FIELD_NAME = /^\w[\w-]{0,31}$/;

const NOUNS: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  object: 'an object',
  string: 'a text',
};

export function firstFault(error: z.ZodError): FieldFault {
  const issue = error.issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, nameable(issue.keys[0]!)] : issue.path;
  let field = '';
  for (const step of path)
    field += typeof step === 'number' ? `[${step}]` : `${field === '' ? '' : '.'}${String(step)}`;
  return { field: field === '' ? 'record' : field, cause: issue.message };
}

function nameable(field: string): string {
  return FIELD_NAME.test(field) ? field : '(a name that is not shown)';
}

/** Wording for the rules that have none of their own in `record.ts`. */
export const explainIssue: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'unrecognized_keys') return 'is not a field that this version knows';
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.join(' or ')}`;
  return undefined;
};

/** The one SANDBOX_UNKNOWN. What cannot be an id is not repeated: it may be a token in the wrong place. */
export function sandboxUnknown(sandboxId: string): SandgateError {
  const isId = sandboxIdSchema.safeParse(sandboxId).success;
  return new SandgateError('SANDBOX_UNKNOWN', `There is no policy for ${isId ? sandboxId : 'that id'}.`, {
    field: 'sandboxId',
    ...(!isId && { remedy: 'An id is 1 to 63 of a-z, 0-9; see `sandgate policy list`.' }),
  });
}
