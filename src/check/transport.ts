/**
 * What a transport carries, so that another one can be measured against gRPC: CheckRequest bytes in,
 * CheckResponse bytes out. `deadline` is milliseconds since 1970, Infinity when the caller set none.
 * Throws (or rejects with) a SandgateError of code CHECK_MALFORMED for bytes that are no CheckRequest, and nothing else:
 * every other fault is already a 503 in the bytes.
 */
export type CheckHandler = (request: Buffer, deadline: number) => Buffer | Promise<Buffer>;
