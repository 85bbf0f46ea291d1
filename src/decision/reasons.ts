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
