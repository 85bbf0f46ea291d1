import { toSandgateError } from '../errors.ts';

/** The result of one check. `fail` keeps Sandgate from working; `warn` is worth a look. */
export interface Finding {
  /** What was checked, in a word or two. */
  check: string;
  level: 'ok' | 'warn' | 'fail';
  found: string;
  /** How to fix it. */
  remedy?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, level: 'ok', found };
}

export function warn(check: string, found: string, remedy: string): Finding {
  return { check, level: 'warn', found, remedy };
}

export function fail(check: string, found: string, remedy: string): Finding {
  return { check, level: 'fail', found, remedy };
}

/** A finding for an error, with the error's own remedy if it has one. */
export function failedBy(check: string, thrown: unknown, remedy = 'see docs/errors.md'): Finding {
  const error = toSandgateError(thrown);
  return fail(check, `${error.message} [${error.code}]`, error.remedy ?? remedy);
}
