import type { ErrorCode } from '../errors.ts';

/**
 * A policy that the gate can decide on: compiled once per load from a stored record (`compile.ts`), never from
 * input. Times are milliseconds since 1970.
 */
export interface Policy {
  sandboxId: string;
  incarnation: string;
  /** The version of the newer part, for logs. */
  version: string;
  state: 'running' | 'paused' | 'transitioning';
  endsAt: number | undefined;
  /** Port 49983 skips the token, because the agent checks its own. */
  agentSelfAuthenticating: boolean;
  /**
   * `address`: a canonical IP literal in an allowed network. `port`: that of a node proxy, which reads the Host.
   * `tlsPorts`: ports that Envoy dials with TLS.
   */
  route:
    | { address: string; port: number | undefined; tlsPorts?: ReadonlySet<number> | undefined }
    | undefined;
  allowPublicTraffic: boolean;
  /** The record says public, but the deployment refuses that (`--public-traffic`): the sandbox is restricted. */
  publicRefused: boolean;
  /** When shadow mode may allow denied requests, `until` exclusive. Before `from`, the end is too far ahead to trust. */
  shadow: { from: number; until: number } | undefined;
  /** Tokens that can match; compiling drops revoked tokens and those with unknown fields. */
  tokens: readonly PolicyToken[];
  /** `${PORT}` is not replaced yet. */
  maskRequestHost: string | undefined;
  /** `upstreamToken: forward`: the sandbox receives the token header. */
  forwardToken: boolean;
}

export interface PolicyToken {
  id: string;
  /** For logs. */
  label?: string | undefined;
  /** SHA-256 of the header value, one latin1 character per byte: a fifth of the memory of a byte array. */
  digest: string;
  expiresAt: number | undefined;
  /** Undefined means every port. */
  ports: ReadonlySet<number> | undefined;
  incarnation: string | undefined;
}

/** The answer of the cache for one sandbox. */
export type PolicyLookup =
  | { kind: 'found'; policy: Policy }
  | { kind: 'absent' }
  | { kind: 'unavailable'; code: ErrorCode };
