import { parseHost } from '../target/host.ts';

// The limits of DNS. A token has 64 characters, so it never passes for a label.
const LONGEST_LABEL = 63;
const LONGEST_NAME = 253;

/** The host name of a Host or `:authority`, for logs; undefined if it is not a valid host. */
export function logHost(authority: string): string | undefined {
  // Everything before the last `@` is a user and a password.
  const name = parseHost(authority.slice(authority.lastIndexOf('@') + 1))?.name;
  if (name === undefined || name.length > LONGEST_NAME) return undefined;
  return name.split('.').some((label) => label.length > LONGEST_LABEL) ? undefined : name;
}

/** Also in `envoy/envoy.yaml`, for the access log. */
export const LOGGED_METHODS: readonly string[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
];

/** A method for logs: `other` if it is not a common one, undefined if there is none. */
export function logMethod(method: string): string | undefined {
  if (method === '') return undefined;
  return LOGGED_METHODS.includes(method) ? method : 'other';
}

// Shorter than a token, which some clients send everywhere. No quotes, because not every log reader parses JSON.
const REQUEST_ID = /^[\w.~:;=/+@-]{1,63}$/;

/** An `x-request-id` for logs; undefined if it has another form, since clients may send anything. */
export function logRequestId(requestId: string): string | undefined {
  return REQUEST_ID.test(requestId) ? requestId : undefined;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace id of a `traceparent`, 32 hex characters; undefined if it does not follow W3C Trace Context. */
export function traceIdOf(traceparent: string): string | undefined {
  const [, version, traceId, more] = TRACEPARENT.exec(traceparent) ?? [];
  // Version 00 has four fields; only later versions may have more.
  return version === '00' && more !== undefined ? undefined : traceId;
}
