import type { Policy } from '../policy/policy.ts';
import type { HeaderValue, TargetSource } from '../target/target.ts';
import type { Detail, EnvoyReason, Reason } from './reasons.ts';

/** The parts of a request that the gate reads: `check/` decodes them, `decide` evaluates them. Each field names its header. */
export interface GateRequest {
  method: string;
  /** `:authority` or Host as sent, port included; empty if there was none. */
  host: string;
  /** Request target with its query, as sent. */
  path: string;
  /** `e2b-sandbox-id` */
  sandboxId: HeaderValue;
  /** `e2b-sandbox-port` */
  sandboxPort: HeaderValue;
  /** `e2b-traffic-access-token`: raw bytes, because the digest is of bytes. */
  token: HeaderValue<Uint8Array>;
  accept: string;
  userAgent: string;
  secFetchMode: string;
  requestedWith: string;
  /** `origin`; undefined if absent. */
  origin: string | undefined;
  /** `access-control-request-method`; undefined if absent. */
  requestMethod: string | undefined;
  /** `access-control-request-headers`, with several lines joined by commas; undefined if absent. */
  requestHeaders: string | undefined;
  /** `x-request-id`, for logs only. */
  requestId: string;
  /** `traceparent`, for logs only. */
  traceparent: string;
  /** `x-envoy-external-address`, for logs and the port budget: Envoy sets it, and removes the client's own. */
  clientAddress: string;
  /** The TCP peer of the proxy that asks (`source`), if it sent no `clientAddress`; for the port budget. */
  peerAddress: string;
}

/** What decisions depend on besides request and policy, fixed at start. */
export interface GateContext {
  routing: 'gate' | 'ingress';
  /** The domain of a canonical upstream Host if the client's host has none. */
  defaultDomain: string;
  /** True for an address and port that Sandgate or its Envoy listens on: requests there would loop. */
  isOwnListener(address: string, port: number): boolean;
  /** True for the address of a node proxy: only a route with a port leads there, never the port of a request. */
  isNodeProxy(address: string, port: number): boolean;
  /** If false, the `shadow` of every policy is ignored. */
  allowShadow: boolean;
}

/** Why a request is allowed. */
export type Grant =
  | { by: 'token'; tokenId: string; tokenLabel: string | undefined }
  | { by: 'public' }
  | { by: 'agent' }
  | ShadowGrant;

/** Shadow mode allowed a request that would have been denied; reason and detail are those of the denial. */
export interface ShadowGrant extends PresentedToken {
  by: 'shadow';
  reason: ShadowReason;
  detail: Detail | undefined;
}

/** The denials that shadow mode turns into allows. */
export type ShadowReason = 'token_missing' | 'token_invalid';

/** The known token that was presented, for logs only; undefined if there was none, or if it is unknown. */
export interface PresentedToken {
  tokenId?: string | undefined;
  tokenLabel?: string | undefined;
}

export interface Allow {
  kind: 'allow';
  sandboxId: string;
  port: number;
  /** Where sandbox and port were read; with the grant it tells which headers the answer varies by. */
  targetFrom: TargetSource;
  grant: Grant;
  policy: Policy;
  /** Where Envoy dials, and whether with TLS; undefined only with `--routing ingress`. */
  destination: { address: string; port: number; tls?: boolean | undefined } | undefined;
  /** Upstream Host if it is not the client's, which then goes to `X-Forwarded-Host`. */
  upstreamHost: string | undefined;
  /** Milliseconds until the presented token expires or shadow mode ends, at least 1; the stream ends then. */
  streamMs: number | undefined;
}

export interface Deny extends PresentedToken {
  kind: 'deny';
  reason: Exclude<Reason, 'preflight' | EnvoyReason>;
  /** Finer than the reason, for logs only: the client must not learn it. */
  detail?: Detail | undefined;
  /** Present if the target is known; not every answer names it. */
  sandboxId?: string;
  port?: number;
  /** Version of the policy behind the decision, for logs only. */
  policyVersion?: string | undefined;
}

/** A CORS preflight answered by the gate (docs/contract.md §2, step 0). */
export interface Preflight {
  kind: 'preflight';
  /** The denial that this replaces. Never shows in the answer, which is the same for every sandbox. */
  refused?: Deny;
}

export type Decision = Allow | Deny | Preflight;

/** A finished answer to the client. Header names are lower case. */
export interface Answer {
  status: number;
  headers: readonly (readonly [name: string, value: string])[];
  body: string;
}
