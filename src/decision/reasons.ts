import type { ErrorCode } from '../errors.ts';

/** Reason codes: `x-sandgate-reason`, logs and metrics. `docs/reasons.md` lists the same ones, a test holds the two equal. */
export const REASONS = {
  invalid_host:
    'The host names no sandbox: wrong form, unknown parent domain, or routing headers given twice.',
  missing_header: 'One of the two routing headers came without the other.',
  invalid_sandbox_id: 'The sandbox id is not 1 to 63 of a-z and 0-9.',
  invalid_sandbox_port: 'The port is not 1 to 65535 in plain decimal.',
  control_plane_path: "The agent's internal paths on port 49983 are not reachable through a sandbox URL.",
  sandbox_not_found: 'No such sandbox, or it is paused or past its end.',
  sandbox_transitioning: 'The sandbox is pausing or resuming.',
  token_missing: 'A restricted sandbox was asked without a token.',
  token_invalid:
    'The token is wrong, expired, revoked, for another port or incarnation, or came more than once.',
  port_closed:
    'Nothing listens there, or the gate does not dial it: its own listener, or a sweep over ports.',
  upstream_failed: 'The sandbox was reached and failed before it answered.',
  unavailable: 'The gate cannot know: store unreachable, policy unreadable or too old, or the gate is away.',
  preflight: 'A CORS preflight answered by the gate in place of an error.',
} as const;

export type Reason = keyof typeof REASONS;

/** Finer than the reason, for logs only: what the client must not learn. `unavailable` carries an error code instead. */
export const DETAILS = {
  expired: 'A token of this sandbox, past its `expiresAt`.',
  other_port: 'A token of this sandbox, for other ports.',
  other_incarnation: 'A token of this sandbox, for another life of it.',
  several_values: 'The token header came more than once, or with a comma in it.',
  paused: 'The sandbox is paused.',
  ended: 'The sandbox is past its `endsAt`.',
  own_listener: 'The route leads to a listener of Sandgate or of its Envoy: dialling it would loop.',
  port_sweep: 'More distinct ports of the sandbox were asked for within a minute than are dialled.',
} as const;

export type Detail = keyof typeof DETAILS | ErrorCode;
