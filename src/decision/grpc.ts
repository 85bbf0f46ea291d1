import type { Reason } from './reasons.ts';
import { ENVOY_REFUSALS, REFUSALS } from './refusals.ts';

/**
 * The `grpc-status` of each refusal (docs/contract.md, "gRPC"). gRPC's own mapping from the HTTP status, except where it
 * would mislead: a request that can never succeed is not INTERNAL, and a sandbox that does not exist is not to be retried.
 */
export const GRPC_STATUS: Readonly<Record<Reason, number>> = {
  invalid_host: 3,
  missing_header: 3,
  invalid_sandbox_id: 3,
  invalid_sandbox_port: 3,
  control_plane_path: 12,
  sandbox_not_found: 5,
  sandbox_transitioning: 14,
  token_missing: 7,
  token_invalid: 7,
  port_closed: 14,
  upstream_failed: 14,
  upstream_protocol_error: 14,
  upload_not_buffered: 8,
  bad_request: 3,
  upgrade_refused: 3,
  overloaded: 14,
  unavailable: 14,
  preflight: 0,
};

const CONTENT_TYPE = /^application\/grpc(?:\+|$)/;

/** Whether a request comes from a gRPC client. Its content type alone could be forged by a page; `te` could not. */
export function isGrpc(header: (name: string) => string | undefined): boolean {
  return CONTENT_TYPE.test(header('content-type') ?? '') && header('te') === 'trailers';
}

/** Headers of a refusal for a gRPC client, which gets no body. */
export function grpcHeaders(reason: Reason): [name: string, value: string][] {
  return [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(GRPC_STATUS[reason])],
    ['grpc-message', messageOf(reason)],
  ];
}

function messageOf(reason: Reason): string {
  return reason === 'preflight' ? '' : { ...REFUSALS, ...ENVOY_REFUSALS }[reason].message;
}
