const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;

/** The trace id of a `traceparent`, 32 hex characters; undefined where it has not the form of W3C Trace Context. */
export function traceIdOf(traceparent: string): string | undefined {
  const [, version, traceId, more] = TRACEPARENT.exec(traceparent) ?? [];
  // Only later versions may have more fields.
  return version === '00' && more !== undefined ? undefined : traceId;
}
