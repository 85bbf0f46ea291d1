import { z } from 'zod';

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
  if (issue.code === 'unrecognized_keys') {
    const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
    const nearest = nearestField(issue.keys[0]!, known);
    return `is not a field that this version knows${nearest === undefined ? '' : `; the nearest is ${nearest}`}`;
  }
  if (issue.input === undefined) return 'is missing';
  if (issue.code === 'invalid_type') return `must be ${NOUNS[issue.expected] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `must be ${issue.values.join(' or ')}`;
  return undefined;
};

/** The known field that differs from `name` in the fewest letters, if at least about two thirds of them agree. */
function nearestField(name: string, known: readonly string[]): string | undefined {
  if (!FIELD_NAME.test(name)) return undefined;
  const [first] = known
    .map((field) => ({ field, edits: editDistance(name.toLowerCase(), field.toLowerCase()) }))
    .filter(({ field, edits }) => edits * 3 <= Math.max(name.length, field.length))
    .sort((a, b) => a.edits - b.edits);
  return first?.field;
}

/** Levenshtein distance: how many letters must be added, removed or replaced. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [y, letter] of [...from].entries()) {
    const next = [y + 1];
    for (const [x, other] of [...to].entries()) {
      next.push(Math.min(next[x]! + 1, row[x + 1]! + 1, row[x]! + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
