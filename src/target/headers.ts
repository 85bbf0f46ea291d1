/**
 * Every request header that the gate reads, by the field of `GateRequest` that it fills. Envoy's `allowed_headers` are
 * the same. Names are in lower case, as Envoy sends them.
 */
export const REQUEST_HEADERS = {
  token: 'e2b-traffic-access-token',
  sandboxId: 'e2b-sandbox-id',
  sandboxPort: 'e2b-sandbox-port',
  accept: 'accept',
  userAgent: 'user-agent',
  secFetchMode: 'sec-fetch-mode',
  requestedWith: 'x-requested-with',
  origin: 'origin',
  requestMethod: 'access-control-request-method',
  requestHeaders: 'access-control-request-headers',
  requestId: 'x-request-id',
  traceparent: 'traceparent',
  clientAddress: 'x-envoy-external-address',
} as const;

/** Carries the client's Host to the sandbox if the gate replaces Host. */
export const FORWARDED_HOST_HEADER = 'x-forwarded-host';

/** Tells Envoy after how many milliseconds to end the stream. */
export const STREAM_DURATION_HEADER = 'x-envoy-upstream-stream-duration-ms';

/**
 * Proves to a node proxy that a request has passed the gate. Envoy removes a client's own, and the node proxy removes it
 * before the sandbox could see it.
 */
export const NODE_PROXY_KEY_HEADER = 'x-sandgate-node-proxy-key';

/** Carries the reason code of the gate's own answers. */
export const REASON_HEADER = 'x-sandgate-reason';
