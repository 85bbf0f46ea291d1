import { REQUEST_HEADERS } from '../target/headers.ts';
import type { Deny } from './decision.ts';

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
