/** What one sandbox may use up. A cgroup holds them where this machine lets us make one, else rlimits. */
export interface Limits {
  /** All processes of the sandbox together in a cgroup; each one's data segment (RLIMIT_DATA) without. */
  memoryMiB: number;
  /** Processes and threads. */
  processes: number;
}

/** E2B's base template has 512 MiB; an agent in Node takes a share of it here. */
export const DEFAULT_LIMITS: Limits = { memoryMiB: 1024, processes: 512 };

/** Where the commands of a sandbox find things; they differ only without isolation. */
export interface Inside {
  /** The port bridge listens here and then makes it 0600; from then on nothing else can. */
  bridgeSocket: string;
  /** The agent listens here, on 127.0.0.1. */
  agentPort: number;
  /** The folder that stands for `/`. */
  root: string;
  /** Home of `user`. */
  home: string;
}

export interface SandboxCommands {
  /** Program and arguments; the program by its absolute path, visible in the sandbox. */
  agent: readonly string[];
  /** Absent where the agent listens on `bridgeSocket` itself. E2B's own does not. */
  bridge?: readonly string[];
}

export interface SandboxRequest {
  /** `^[a-z0-9]{1,63}$` */
  sandboxId: string;
  commands(inside: Inside): SandboxCommands;
  /** The agent's environment; PATH and HOME are given. A name that a shell cannot hold is left out. */
  env?: Readonly<Record<string, string>>;
  /** The agent's standard input: what no `ps` shows. */
  input?: string;
  limits?: Partial<Limits>;
}

/** Which limits are kept by what. */
export interface LimitedBy {
  memory: 'cgroup' | 'rlimit';
  processes: 'cgroup' | 'rlimit';
}

export interface Sandbox {
  readonly sandboxId: string;
  /** On the host. See the node proxy for what is said on it. */
  readonly bridgeSocket: string;
  /** What to ask the bridge for to reach the agent; 49983 but for `--no-isolation`. */
  readonly agentPort: number;
  /** On the host, the process whose end ends all others of the sandbox. */
  readonly pid: number;
  readonly limitedBy: LimitedBy;
  /**
   * Resolves once no process is left, however it came: with the agent's exit code, or
   * null where it was killed. What is on disk stays until `end`.
   */
  readonly exited: Promise<number | null>;
  /** Stops every process where it is. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** SIGTERM to the agent, a grace, SIGKILL to all; then its folders are removed. As often as you like. */
  end(): Promise<void>;
}
