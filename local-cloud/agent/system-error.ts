import { Code, ConnectError } from '@connectrpc/connect';

/** The text of a system error in envd's form, which its users know: `lstat /a/b: no such file or directory`. */
export function reasonOf(thrown: unknown): string {
  const error = thrown as NodeJS.ErrnoException & { dest?: string };
  if (error?.syscall === undefined) return error instanceof Error ? error.message : 'unknown';
  const text = /^[A-Z0-9]+: (.*?)(?:, [a-z]+(?: '|$).*)?$/s.exec(error.message)?.[1] ?? error.code;
  return `${[error.syscall, error.path, error.dest].filter(Boolean).join(' ')}: ${text}`;
}

export function isMissing(thrown: unknown): boolean {
  return codeOf(thrown) === 'ENOENT';
}

export function isDiskFull(thrown: unknown): boolean {
  return codeOf(thrown) === 'ENOSPC' || codeOf(thrown) === 'EDQUOT';
}

export function codeOf(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException | undefined)?.code;
}

/** `context: reason`, with the system error as cause. A ConnectError is returned as it is. */
export function failure(code: Code, context: string, thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  return new ConnectError(`${context}: ${reasonOf(thrown)}`, code, undefined, undefined, thrown);
}

export function internal(context: string, thrown: unknown): ConnectError {
  return failure(Code.Internal, context, thrown);
}
