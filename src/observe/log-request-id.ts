// 64 characters are what a token has, and some send it everywhere. No quotes: not every reader of a log reads JSON.
const REQUEST_ID = /^[\w.~:;=/+@-]{1,63}$/;

/** An `x-request-id` as a log may hold it: a client may send anything. Undefined for what is none. */
export function logRequestId(requestId: string): string | undefined {
  return REQUEST_ID.test(requestId) ? requestId : undefined;
}
