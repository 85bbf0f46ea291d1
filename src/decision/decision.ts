import type { Policy } from '../policy/policy.ts';
import type { HeaderValue } from '../target/target.ts';
import type { Detail, Reason } from './reasons.ts';

/** The request as the gate needs it: the shape that `check/` decodes to and `decide` judges. Header names in comments. */
export interface GateRequest {
  method: string;
  /** `:authority` or Host as sent, port included; empty when there was none. */
  host: string;
  /** Request target with its query, as sent. */
  path: string;
  /** `e2b-sandbox-id` */
  sandboxId: HeaderValue;
  /** `e2b-sandbox-port` */
  sandboxPort: HeaderValue;
  /** `e2b-traffic-access-token`: raw bytes, since the digest is over bytes. */
  token: HeaderValue<Uint8Array>;
  accept: string;
  userAgent: string;
  secFetchMode: string;
  requestedWith: string;
  /** `origin`; undefined when absent. */
  origin: string | undefined;
  /** `access-control-request-method`; undefined when absent. */
  requestMethod: string | undefined;
  /** `access-control-request-headers`; several lines joined by a comma. */
  requestHeaders: string | undefined;
  /** `x-request-id`, for logs only. */
  requestId: string;
  /** `traceparent`, for logs only. */
  traceparent: string;
  /** `x-envoy-external-address`, for logs only: Envoy sets it, and removes a client's own. */
  clientAddress: string;
}

/** The gate's own place in the world, fixed at start. */
export interface Site {
  routing: 'gate' | 'ingress';
  /** Names a canonical upstream Host when the client's host carried no domain. */
  defaultDomain: string;
  /** True for an address and port that Sandgate or its Envoy listens on: dialling it would loop. */
  isOwnListener(address: string, port: number): boolean;
  /** Shadow mode: without it, no policy's `shadow` counts. */
  allowShadow: boolean;
}

/** Why a request may pass; `token` needed one, the others did not. */
export type Grant =
  | { by: 'token'; tokenId: string; tokenLabel: string | undefined }
  | { by: 'public' }
  | { by: 'agent' }
  | ShadowGrant;

/** Let through although it was refused: reason and detail are those of the refusal. */
export interface ShadowGrant extends PresentedToken {
  by: 'shadow';
  reason: ShadowReason;
  detail: Detail | undefined;
}

/** All that shadow mode lets through. */
export type ShadowReason = 'token_missing' | 'token_invalid';

/** Which known token was presented, for logs only; undefined where none was, or it is nobody's. */
export interface PresentedToken {
  tokenId?: string | undefined;
  tokenLabel?: string | undefined;
}

export interface Allow {
  kind: 'allow';
  sandboxId: string;
  port: number;
  grant: Grant;
  policy: Policy;
  /** Where Envoy dials; undefined only with `--routing ingress`. */
  destination: { address: string; port: number } | undefined;
  /** Upstream Host, when it is not the client's; the client's then goes to `X-Forwarded-Host`. */
  upstreamHost: string | undefined;
  /** Milliseconds until the presented token expires, or shadow mode ends, at least 1: bounds the stream. */
  streamMs: number | undefined;
}

export interface Deny extends PresentedToken {
  kind: 'deny';
  reason: Exclude<Reason, 'preflight' | 'upstream_failed'>;
  /** Finer than the reason, for logs only: what the client must not learn. */
  detail?: Detail | undefined;
  /** Present where the target is known; not every answer names it. */
  sandboxId?: string;
  port?: number;
  /** Of the policy that was decided by, for logs only. */
  policyVersion?: string | undefined;
}

/** A CORS preflight answered by the gate (docs/contract.md §2, step 0). */
export interface Preflight {
  kind: 'preflight';
  /** What the request itself would be told. Never in the answer: it is the same for every sandbox. */
  refused?: Deny;
}

export type Decision = Allow | Deny | Preflight;

/** A finished answer to the client. Header names are lower case. */
export interface Answer {
  status: number;
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
}
