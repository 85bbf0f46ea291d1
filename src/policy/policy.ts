import type { ErrorCode } from '../errors.ts';

/**
 * A policy ready to be decided on: compiled once per load from a stored record (`record.ts`), never from input.
 * Times are milliseconds since 1970.
 */
export interface Policy {
  sandboxId: string;
  incarnation: string;
  /** Of the newer part, for logs. */
  version: string;
  state: 'running' | 'paused' | 'transitioning';
  endsAt: number | undefined;
  /** Port 49983 skips the token, because the agent checks its own. */
  agentSelfAuthenticating: boolean;
  /** One canonical IP literal, inside the allowed networks. `port`: a node proxy that reads Host itself. */
  route: { address: string; port: number | undefined } | undefined;
  allowPublicTraffic: boolean;
  /** When shadow mode may let refusals through, `until` exclusive: before `from` it ends too far ahead to be believed. */
  shadow: { from: number; until: number } | undefined;
  /** Tokens that can match: revoked digests and tokens with unknown fields are already gone. */
  tokens: readonly PolicyToken[];
  /** Holds `${PORT}` as written. */
  maskRequestHost: string | undefined;
  /** `upstreamToken: forward`: the presented token header stays. */
  forwardToken: boolean;
}

export interface PolicyToken {
  id: string;
  /** For logs. */
  label?: string | undefined;
  /** SHA-256 of the header value's bytes, one latin1 character a byte: a fifth of the memory of an array. */
  digest: string;
  expiresAt: number | undefined;
  /** Undefined: every port. */
  ports: ReadonlySet<number> | undefined;
  incarnation: string | undefined;
}

/** What the cache knows of a sandbox at this moment. */
export type PolicyLookup =
  | { kind: 'found'; policy: Policy }
  | { kind: 'absent' }
  | { kind: 'unavailable'; code: ErrorCode };
