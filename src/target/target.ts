/** What a request is for, resolved once; decision and route both come from it (contract.md §1 of the wire contract). */
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
