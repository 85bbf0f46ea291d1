import type { z } from 'zod';

/** The first fault that a schema found: a path such as `access.tokens[0].sha256`, and a cause that shows no value. */
export interface FieldFault {
  field: string;
  cause: string;
}

/** The name of an unknown field may be anything, even a token, and is shown only if it looks like a field name. */
const FIELD_NAME = /^\w[\w-]{0,31}$/;

const NOUNS: Record<string, string> = {
  array: 'a list',
  boolean: 'true or false',
  object: 'an object',
  string: 'a text',
};

export function firstFault(error: z.ZodError): FieldFault {
  const issue = error.issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, shownName(issue.keys[0]!)] : issue.path;
  let field = '';
  for (const step of path)
    field += typeof step === 'number' ? `[${step}]` : `${field === '' ? '' : '.'}${String(step)}`;
  return { field: field === '' ? 'record' : field, cause: issue.message };
}

function shownName(field: string): string {
  return FIELD_NAME.test(field) ? field : '(a name that is not shown)';
}

/** Words for the rules that have no message of their own in `record.ts`. */
export const explainIssue: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'unrecognized_keys') return 'is not a field that this version knows';
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.join(' or ')}`;
  return undefined;
};
