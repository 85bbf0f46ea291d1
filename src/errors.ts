/**
 * The error catalogue. A denial is a value (`decision/`); what stands here is a fault: something that kept
 * Sandgate from doing what it was asked. `docs/errors.md` lists the same codes, a test holds the two equal.
 */
export const ERROR_CODES = {
  SETTINGS_INVALID: 'A setting is missing or wrong; every fault is listed.',
  ADDRESS_IN_USE: 'A port or socket that Sandgate must listen on is taken.',
  STATE_UNUSABLE: 'The state folder, or a file in it, cannot be made, read or written.',
  TLS_UNUSABLE:
    'A certificate, key or CA file of the Check listener cannot be read, does not fit, or has expired.',
  ENVOY_MISSING: 'No usable Envoy was found and none could be fetched.',
  PROGRAM_MISSING:
    'A program that a script of the checkout runs (k6) was not found and could not be fetched.',
  ENVOY_FAILED: 'Envoy refused its config or ended before it was ready.',
  CLOUD_FAILED: 'The local cloud ended before it was ready.',
  CLOUD_AWAY: 'No local cloud runs on the state folder.',
  GATE_FAILED: 'A gate process ended before it was ready.',
  INPUT_INVALID: 'What was given is not JSON, or cannot be read; line and column are named.',
  POLICY_INVALID: 'A policy was refused; the path of the field is named and nothing was written.',
  VERSION_CONFLICT: 'The part was changed since the version that the write expected.',
  TOKEN_REVOKED: 'The write lists a token whose digest was revoked.',
  SANDBOX_UNKNOWN: 'There is no policy for that sandbox id.',
  STORE_READ_ONLY: 'The store cannot be written through Sandgate.',
  STORE_CORRUPT: 'The store is damaged; it is left as it is.',
  STORE_UNAVAILABLE: 'The store did not answer, or not in time.',
  POLICY_UNREADABLE:
    'A stored policy is incomplete, from another version, or breaks a rule; it is never guessed.',
  CHECK_MALFORMED: 'A CheckRequest could not be decoded.',
  ANSWER_INVALID: 'A CheckResponse could not be built without risk of being read as an allow.',
  CHECKS_FAILED: 'A check of `check-config` or `doctor` failed; each one is listed.',
  REQUEST_INVALID: 'A path, parameter, header or body of a request is wrong; the field is named.',
  REQUEST_TOO_LARGE: 'The body of a request is larger than 1 MiB.',
  CONTENT_REFUSED: 'The body of a request is not declared as application/json.',
  UNAUTHORIZED: 'A request to the policy API came without a key, or with a wrong one.',
  HOST_REFUSED: 'A request named a host that this policy API does not answer for.',
  ROUTE_UNKNOWN: 'The policy API has nothing at that path.',
  METHOD_REFUSED: 'The policy API does not offer that method at that path.',
  TOO_MANY_REQUESTS: 'One address sent more requests than the policy API takes.',
  TOKEN_UNKNOWN: 'The policy has no token of that id.',
  TOKEN_EXISTS: 'The policy has a token of that id already.',
  ISOLATION_UNAVAILABLE: 'This machine does not let the local cloud keep sandboxes apart.',
  SANDBOX_FAILED: 'A sandbox of the local cloud could not be started, or has ended.',
  API_UNREACHABLE: 'The policy API of a gate did not answer, or not in time.',
  INTERNAL: 'A fault that Sandgate did not foresee.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface SandgateErrorOptions {
  /** What the reader can do about it, one sentence. */
  remedy?: string;
  /** The field, file or setting that it is about, such as `runtime.route.address`. */
  field?: string;
  /** With VERSION_CONFLICT: what stands there now. */
  currentVersion?: string | undefined;
  cause?: unknown;
}

/** The one error class. `message` is safe to show: no token, no stack, no header value. */
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

/** Turns anything thrown into a `SandgateError`; a foreign error becomes INTERNAL and keeps its cause. */
export function toSandgateError(thrown: unknown): SandgateError {
  if (thrown instanceof SandgateError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SandgateError('INTERNAL', message, { cause: thrown });
}
