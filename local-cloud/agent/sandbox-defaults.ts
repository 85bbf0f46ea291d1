import { z } from 'zod';

/** What the control plane sends to an agent: on standard input at start, and by `POST /init` later. */
export const InitialState = z.object({
  /** If absent or empty in `POST /init`, the token does not change. */
  accessToken: z.string().max(4096).optional(),
  envVars: z.record(z.string().regex(/^[^=\0]+$/), z.string()).optional(),
  defaultUser: z.string().max(64).optional(),
  defaultWorkdir: z.string().max(4096).optional(),
});
export type InitialState = z.infer<typeof InitialState>;

/** Standard input may also contain the key that `POST /init` must then present. */
export const StartInput = InitialState.extend({ initKey: z.string().min(16).max(4096).optional() });
export type StartInput = z.infer<typeof StartInput>;

/** Defaults for requests that do not name a user, a folder or an environment. `POST /init` changes them. */
export class SandboxDefaults {
  user: string;
  workdir: string | undefined;
  envs: Readonly<Record<string, string>>;

  constructor(state: InitialState) {
    this.user = state.defaultUser || 'user';
    this.workdir = state.defaultWorkdir || undefined;
    this.envs = state.envVars ?? {};
  }

  apply(state: InitialState): void {
    if (state.defaultUser) this.user = state.defaultUser;
    if (state.defaultWorkdir) this.workdir = state.defaultWorkdir;
    if (state.envVars) this.envs = state.envVars;
  }
}
