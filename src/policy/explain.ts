import type { z } from 'zod';

/** The first fault of a reading: its path such as `access.tokens[0].sha256`, and a cause that names no value. */
export interface FieldFault {
  field: string;
  cause: string;
}

/** Field names are given back at most this long: an unknown one is whatever the caller sent. */
const FIELD_MAX = 64;

const NOUNS: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  object: 'an object',
  string: 'a text',
};

export function firstFault(error: z.ZodError): FieldFault {
  const issue = error.issues[0]!;
  const path =
    issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!.slice(0, FIELD_MAX)] : issue.path;
  let field = '';
  for (const step of path)
    field += typeof step === 'number' ? `[${step}]` : `${field === '' ? '' : '.'}${String(step)}`;
  return { field: field === '' ? 'record' : field, cause: issue.message };
}

/** Wording for the rules that have none of their own in `record.ts`. */
export const explainIssue: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'unrecognized_keys') return 'is not a field that this version knows';
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.join(' or ')}`;
  return undefined;
};
