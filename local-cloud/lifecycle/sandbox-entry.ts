/** The control plane's record of one sandbox. Times are milliseconds since 1970. */
export interface SandboxEntry {
  readonly sandboxId: string;
  /** Clients do not see sandboxes that are `starting` or `ending`. */
  state: 'starting' | 'running' | 'paused' | 'ending';
  readonly startedAt: number;
  endsAt: number;
  /** The agent requires an access token of its own. */
  readonly secure: boolean;
  allowPublicTraffic: boolean;
  maskRequestHost: string | undefined;
  /** At `endsAt`, pause the sandbox instead of ending it. */
  autoPause: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** As the client gave it, for `GET`. */
  network: Readonly<Record<string, unknown>> | undefined;
}

export const TEMPLATE = 'base';
/** The newest version whose features the agent has; see docs/local-cloud.md. */
export const ENVD_VERSION = '0.5.2';
