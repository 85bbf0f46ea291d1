import type { InitialState } from './initial-state.ts';

/** What holds for a request that does not say: user, folder, environment. `POST /init` changes it. */
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
