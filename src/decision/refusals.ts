import { REQUEST_HEADERS } from '../target/headers.ts';
import type { Deny } from './decision.ts';
import type { EnvoyReason } from './reasons.ts';

/** The answer to a denied request, word for word as E2B's proxies give it (docs/contract.md §3): SDKs match on these texts. */
export interface Refusal {
  status: number;
  message: string;
  /** Title of the HTML page; absent if the answer is always plain text. */
  title?: string;
}

export const REFUSALS = {
  invalid_host: { status: 400, message: 'Invalid host' },
  missing_header: { status: 400, message: 'missing header' },
  invalid_sandbox_id: { status: 400, message: 'Invalid sandbox ID' },
  invalid_sandbox_port: { status: 400, message: 'Invalid sandbox port' },
  control_plane_path: {
    status: 404,
    message:
      'This endpoint is reserved for the E2B control plane and is not reachable through the sandbox URL',
    title: 'Endpoint Not Available',
  },
  sandbox_not_found: { status: 502, message: 'The sandbox was not found', title: 'Sandbox Not Found' },
  sandbox_transitioning: {
    status: 409,
    message: 'The sandbox is still transitioning. Try again in a moment.',
    title: 'Sandbox Still Transitioning',
  },
  token_missing: {
    status: 403,
    message: `Sandbox is secured with traffic access token. Token header '${REQUEST_HEADERS.token}' is missing`,
    title: 'Missing Traffic Access Token',
  },
  token_invalid: {
    status: 403,
    message: `Sandbox is secured with traffic access token. Provided token in header '${REQUEST_HEADERS.token}' is invalid`,
    title: 'Invalid Traffic Access Token',
  },
  port_closed: {
    status: 502,
    message: 'The sandbox is running but port is not open',
    title: 'Closed Port Error',
  },
  unavailable: {
    status: 503,
    message: 'The access check is temporarily unavailable. Try again in a moment.',
    title: 'Temporarily Unavailable',
  },
} as const satisfies Record<Deny['reason'], Refusal>;

/**
 * Refusals that Envoy alone makes, in the form of the gate's (docs/contract.md §3); `envoy/envoy.yaml` has the same texts.
 * `bad_request` keeps Envoy's own status, 400 in most cases, and adds Envoy's detail to the message.
 */
export const ENVOY_REFUSALS = {
  upstream_failed: REFUSALS.port_closed,
  upstream_protocol_error: {
    status: 502,
    message: "The sandbox's answer could not be read",
    title: 'Unreadable Answer',
  },
  upload_not_buffered: {
    status: 507,
    message: 'The upload is too large to be kept until the port is open',
  },
  bad_request: { status: 400, message: 'Bad request' },
  upgrade_refused: {
    status: 400,
    message: 'Unsupported upgrade: use websocket, or tcp without a body',
  },
  overloaded: { status: 503, message: 'The ingress is overloaded. Try again in a moment.' },
} as const satisfies Record<EnvoyReason, Refusal>;
