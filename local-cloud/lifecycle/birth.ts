/** What a sandbox is born with; see `Entry` for what is kept of it. */
export interface Birth {
  lifeMs: number;
  secure: boolean;
  autoPause: boolean;
  allowPublicTraffic: boolean;
  maskRequestHost: string | undefined;
  metadata: Readonly<Record<string, string>>;
  envVars: Readonly<Record<string, string>>;
  network: Readonly<Record<string, unknown>> | undefined;
}
