/** One sandbox as the control plane keeps it. Times are milliseconds since 1970. */
export interface Entry {
  readonly sandboxId: string;
  /** `starting` and `ending` are shown to nobody. */
  state: 'starting' | 'running' | 'paused' | 'ending';
  readonly startedAt: number;
  endsAt: number;
  /** Its agent asks for a token of its own. */
  readonly secure: boolean;
  allowPublicTraffic: boolean;
  maskRequestHost: string | undefined;
  /** At its end it is paused instead. */
  autoPause: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** As it was given, for `GET`. */
  network: Readonly<Record<string, unknown>> | undefined;
}

export const TEMPLATE = 'base';
/** The honest one for what the agent does; see docs/local-cloud.md. */
export const ENVD_VERSION = '0.5.2';
