/** The sandbox and port of a request, resolved once; decision and route both use it (docs/contract.md §1). */
export interface Target {
  /** `^[a-z0-9]{1,63}$` */
  sandboxId: string;
  /** 1..65535 */
  port: number;
  /** The parent domain in the client's host, in lower case; undefined if the host was `localhost` or an IP. */
  domain: string | undefined;
  from: TargetSource;
}

export type TargetError = 'invalid_host' | 'missing_header' | 'invalid_sandbox_id' | 'invalid_sandbox_port';

/** Where the target was read: the host, or the two routing headers. */
export type TargetSource = 'host' | 'headers';

export type TargetResult = { kind: 'target'; target: Target } | { kind: 'error'; error: TargetError };

/** A header as it arrived. Several values and a comma-joined one are the same kind: the gate never chooses one. */
export type HeaderValue<T = string> = { kind: 'absent' } | { kind: 'one'; value: T } | { kind: 'several' };

/** The port of the agent inside a sandbox (envd), which has rules of its own (docs/contract.md §2). */
export const AGENT_PORT = 49983;

const PORT = /^[1-9][0-9]{0,4}$/;

/**
 * A port from 1 to 65535, or undefined. No sign, leading zero, space or non-ASCII digit: no later parser may read
 * `049983` as the agent's port.
 */
export function parsePort(text: string): number | undefined {
  if (!PORT.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}
