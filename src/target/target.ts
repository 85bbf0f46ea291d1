/** What a request is for, resolved once; decision and route both come from it (docs/contract.md §1). */
export interface Target {
  /** `^[a-z0-9]{1,63}$` */
  sandboxId: string;
  /** 1..65535 */
  port: number;
  /** The parent domain the client named, lower case; undefined where the host was `localhost` or an IP. */
  domain: string | undefined;
}

export type TargetError = 'invalid_host' | 'missing_header' | 'invalid_sandbox_id' | 'invalid_sandbox_port';

/** What named the target: the host, or the two routing headers. */
export type TargetSource = 'host' | 'headers';

export type TargetResult =
  | { kind: 'target'; target: Target; from: TargetSource }
  | { kind: 'error'; error: TargetError };

/** A header as it arrived. Several values, or a comma-joined one, are one kind: nobody may choose among them. */
export type HeaderValue<T = string> = { kind: 'absent' } | { kind: 'one'; value: T } | { kind: 'several' };

/** The agent inside a sandbox (envd) listens here; docs/contract.md §2 gives this port rules of its own. */
export const AGENT_PORT = 49983;

const PORT = /^[1-9][0-9]{0,4}$/;

/**
 * A port, 1..65535, or undefined. No sign, leading zero, space or foreign digit: `049983` must not pass for the
 * agent's port anywhere further down.
 */
export function parsePort(text: string): number | undefined {
  if (!PORT.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}
