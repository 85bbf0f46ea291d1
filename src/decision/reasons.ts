import type { ErrorCode } from '../errors.ts';

/** The reason codes of `x-sandgate-reason`, logs and metrics. `docs/reasons.md` is generated from them. */
export const REASONS = {
  invalid_host:
    'The host does not name a sandbox: wrong form, unknown parent domain, or duplicate routing headers.',
  missing_header: 'Only one of the two routing headers was sent.',
  invalid_sandbox_id: 'The sandbox id is not 1 to 63 of a-z and 0-9.',
  invalid_sandbox_port: 'The port is not 1 to 65535 in plain decimal.',
  control_plane_path: "The agent's internal paths on port 49983 are not reachable through a sandbox URL.",
  sandbox_not_found: 'No such sandbox, or it is paused or past its end.',
  sandbox_transitioning: 'The sandbox is pausing or resuming.',
  token_missing: 'The sandbox is restricted, and the request had no token.',
  token_invalid:
    'The token is wrong, expired, revoked, for another port or incarnation, or was sent more than once.',
  port_closed:
    'Nothing listens on the port, or the gate refuses to dial it: its own listener, or a port sweep.',
  upstream_failed: 'The connection to the sandbox failed before it answered.',
  upstream_protocol_error:
    "The sandbox's answer could not be read: it is not HTTP, breaks its rules, exceeds a limit, or is not TLS on a port of `tlsPorts`.",
  upload_not_buffered:
    'The port was not open yet, and the upload was too large to be kept for another attempt.',
  bad_request: 'Envoy refused the request: malformed, too large, too slow, or an unsupported HTTP version.',
  upgrade_refused:
    'Envoy does not pass on this type of upgrade, or the sandbox answered a WebSocket handshake with 2xx or 3xx, of which only the head is passed on.',
  overloaded: 'Envoy sheds load, or failed for a reason of its own.',
  unavailable:
    'The gate cannot decide: store unreachable, policy unreadable or too old, or no gate is running.',
  preflight: 'A CORS preflight answered by the gate instead of an error.',
} as const;

export type Reason = keyof typeof REASONS;

/** Reasons that only Envoy gives, never the gate. */
export const ENVOY_REASONS = [
  'upstream_failed',
  'upstream_protocol_error',
  'upload_not_buffered',
  'bad_request',
  'upgrade_refused',
  'overloaded',
] as const satisfies readonly Reason[];

export type EnvoyReason = (typeof ENVOY_REASONS)[number];

/** Finer than the reason, for logs only: the client must not learn it. `unavailable` has an error code instead. */
export const DETAILS = {
  expired: 'A token of this sandbox, past its `expiresAt`.',
  other_port: 'A token of this sandbox, for other ports.',
  other_incarnation: 'A token of this sandbox, for another incarnation.',
  public_refused:
    'The policy says public, but the deployment refuses public traffic (`--public-traffic refuse`), and no token was sent.',
  several_values: 'The token header was sent more than once, or has a comma in it.',
  paused: 'The sandbox is paused.',
  ended: 'The sandbox is past its `endsAt`.',
  own_listener: 'The route leads to a listener of Sandgate or its Envoy, so requests would loop.',
  node_proxy: 'The port of the request is that of a node proxy, to which only a route with a port may lead.',
  port_sweep:
    'Too many distinct ports of the sandbox were requested within a minute, and the gate found nothing listening on this one, or had no place left.',
} as const;

export type Detail = keyof typeof DETAILS | ErrorCode;
