import { parseHost } from '../target/host.ts';

// As DNS has it. A token is 64 characters, so none passes for a label.
const LONGEST_LABEL = 63;
const LONGEST_NAME = 253;

/** A Host or `:authority` as a log may hold it: the name alone. Undefined for what is no host. */
export function logHost(authority: string): string | undefined {
  // Behind the last `@`: what is before it is a user and a password.
  const name = parseHost(authority.slice(authority.lastIndexOf('@') + 1))?.name;
  if (name === undefined || name.length > LONGEST_NAME) return undefined;
  return name.split('.').some((label) => label.length > LONGEST_LABEL) ? undefined : name;
}

// 64 characters are what a token has, and some send it everywhere. No quotes: not every reader of a log reads JSON.
const REQUEST_ID = /^[\w.~:;=/+@-]{1,63}$/;

/** An `x-request-id` as a log may hold it: a client may send anything. Undefined for what is none. */
export function logRequestId(requestId: string): string | undefined {
  return REQUEST_ID.test(requestId) ? requestId : undefined;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace id of a `traceparent`, 32 hex characters; undefined where it has not the form of W3C Trace Context. */
export function traceIdOf(traceparent: string): string | undefined {
  const [, version, traceId, more] = TRACEPARENT.exec(traceparent) ?? [];
  // Only later versions may have more fields.
  return version === '00' && more !== undefined ? undefined : traceId;
}
