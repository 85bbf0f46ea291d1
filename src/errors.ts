import { printable } from './printable.ts';

/**
 * The error catalogue. A denial is a value (see `decision/`); an error is a fault that kept Sandgate from doing its
 * work. `docs/errors.md` is generated from it.
 */
export const ERROR_CODES = {
  SETTINGS_INVALID: 'A setting is missing or invalid; every fault is listed.',
  ADDRESS_IN_USE: 'A port or socket that Sandgate must listen on is in use.',
  STATE_UNUSABLE: 'The state folder, or a file in it, cannot be created, read or written.',
  TLS_UNUSABLE:
    'A certificate, key or CA file of the Check listener cannot be read, does not match, or has expired.',
  ENVOY_MISSING: 'No usable Envoy was found and none could be downloaded.',
  PROGRAM_MISSING:
    'A program that a script of the checkout runs (k6) was not found and could not be downloaded.',
  ENVOY_FAILED: 'Envoy rejected its config or exited before it was ready.',
  CLOUD_FAILED: 'The local cloud exited before it was ready.',
  CLOUD_AWAY: 'No local cloud is running for this state folder.',
  GATE_FAILED: 'A gate process exited before it was ready.',
  INPUT_INVALID: 'The input is not JSON, or cannot be read; the message names line and column.',
  POLICY_INVALID: 'A policy was refused and nothing was written; the message names the path of the field.',
  VERSION_CONFLICT: 'The part has changed since the version that the write expected.',
  TOKEN_REVOKED: 'The write lists a token whose digest was revoked.',
  SANDBOX_UNKNOWN: 'There is no policy for that sandbox id.',
  STORE_READ_ONLY: 'The store cannot be written through Sandgate.',
  STORE_CORRUPT: 'The store is damaged; Sandgate leaves it unchanged.',
  STORE_UNAVAILABLE: 'The store did not answer, or not in time.',
  POLICY_UNREADABLE:
    'A stored policy is incomplete, from another version, or violates a rule; Sandgate never guesses its meaning.',
  CHECK_MALFORMED: 'A CheckRequest could not be decoded.',
  ANSWER_INVALID: 'A CheckResponse could not be built without risk of being read as an allow.',
  CHECKS_FAILED: 'A check of `check-config` or `doctor` failed; each failure is listed.',
  REQUEST_INVALID: 'A path, parameter, header or body of a request is invalid; the message names the field.',
  REQUEST_TOO_LARGE: 'The body of a request is larger than 1 MiB.',
  CONTENT_REFUSED: 'The body of a request is not declared as application/json.',
  UNAUTHORIZED: 'A request to the policy API had no key, or a wrong one.',
  HOST_REFUSED: 'The Host of a request is not one that the policy API or the ops listener answers to.',
  ROUTE_UNKNOWN: 'The policy API has no resource at that path.',
  METHOD_REFUSED: 'The policy API does not offer that method at that path.',
  TOO_MANY_REQUESTS: 'One address sent more requests than the policy API accepts.',
  TOKEN_UNKNOWN: 'The policy has no token with that id.',
  TOKEN_EXISTS: 'The policy already has a token with that id.',
  ISOLATION_UNAVAILABLE: 'This machine does not allow the local cloud to isolate sandboxes.',
  SANDBOX_FAILED: 'A sandbox of the local cloud could not be started, or has ended.',
  API_UNREACHABLE: 'The policy API of a gate did not answer, or not in time.',
  INTERNAL: 'An unexpected fault.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface SandgateErrorOptions {
  /** What the reader can do about it, as an imperative: lower case, no full stop at the end. */
  remedy?: string;
  /** The field, file or setting concerned, such as `runtime.route.address`. */
  field?: string;
  /** With VERSION_CONFLICT: the version that is stored now. */
  currentVersion?: string | undefined;
  cause?: unknown;
}

/** The only error class. `message` is safe to show: it contains no token, stack or header value. */
export class SandgateError extends Error {
  override readonly name = 'SandgateError';
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly field: string | undefined;
  readonly currentVersion: string | undefined;

  constructor(code: ErrorCode, message: string, options: SandgateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
    this.field = options.field;
    this.currentVersion = options.currentVersion;
  }
}

/** An error as programs print it: the message and the code on one line, the remedy on the next. */
export function errorText({ message, code, remedy }: SandgateError): string {
  return printable(`sandgate: ${message} [${code}]\n${remedy ? `fix: ${remedy}\n` : ''}`);
}

/** Turns anything thrown into a `SandgateError`; a foreign error becomes INTERNAL and keeps its cause. */
export function toSandgateError(thrown: unknown): SandgateError {
  if (thrown instanceof SandgateError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SandgateError('INTERNAL', message, { cause: thrown });
}
