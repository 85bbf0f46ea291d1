/** Resource limits of one sandbox, enforced by a cgroup if this machine lets us make one, else by rlimits. */
export interface Limits {
  /** With a cgroup, of all processes together; without, of each process' data segment (RLIMIT_DATA). */
  memoryMiB: number;
  /** Processes and threads. */
  processes: number;
}

/** E2B's base template has 512 MiB; here an agent in Node takes its share of it. */
export const DEFAULT_LIMITS: Limits = { memoryMiB: 1024, processes: 512 };

/** Paths and port as the commands of a sandbox see them; without isolation they differ for each sandbox. */
export interface Inside {
  /** The port bridge listens here, then makes the socket 0600; after that, nothing else can take its place. */
  bridgeSocket: string;
  /** The agent listens here, on 127.0.0.1. */
  agentPort: number;
  /** The folder that stands for `/`. */
  root: string;
  /** Home of `user`. */
  home: string;
}

export interface SandboxCommands {
  /** Program and arguments; the program as an absolute path that is visible in the sandbox. */
  agent: readonly string[];
  /** Absent if the agent itself listens on `bridgeSocket`, as ours does and E2B's does not. */
  bridge?: readonly string[];
}

export interface SandboxRequest {
  /** `^[a-z0-9]{1,63}$` */
  sandboxId: string;
  commands(inside: Inside): SandboxCommands;
  /** Added to the agent's environment, which has PATH and HOME. Names that a shell cannot set are left out. */
  env?: Readonly<Record<string, string>>;
  /** The agent's standard input, which `ps` does not show. */
  input?: string;
  limits?: Partial<Limits>;
}

/** What enforces each limit. */
export interface LimitedBy {
  memory: 'cgroup' | 'rlimit';
  processes: 'cgroup' | 'rlimit';
}

export interface Sandbox {
  readonly sandboxId: string;
  /** Path on the host. port-bridge.ts describes the protocol. */
  readonly bridgeSocket: string;
  /** The port to request from the bridge to reach the agent; 49983, except with `--no-isolation`. */
  readonly agentPort: number;
  /** Pid on the host of the process whose end ends all others of the sandbox. */
  readonly pid: number;
  readonly limitedBy: LimitedBy;
  /**
   * Resolves once no process is left, for whatever reason: with the agent's exit code, or null if it was killed. Files
   * stay on disk until `end`.
   */
  readonly exited: Promise<number | null>;
  /** Stops every process (SIGSTOP). */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** SIGTERM to the agent, then SIGKILL to all; then removes the folders. Later calls return the same promise. */
  end(): Promise<void>;
}
