/** What a process wrote. */
export interface Output {
  kind: 'stdout' | 'stderr' | 'pty';
  data: Uint8Array;
}

/** How a process ended: exactly one of the two is set. */
export interface Exit {
  code: number | undefined;
  signal: NodeJS.Signals | undefined;
}

/** A command with everything resolved: program, folder, environment, user. */
export interface Command {
  cmd: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  /** Undefined: the agent's own user. */
  ids: { uid: number; gid: number } | undefined;
}

export interface ChildEvents {
  output(output: Output): void;
  /** After the last output. */
  exit(exit: Exit): void;
}

/** A started process, connected to pipes or a terminal. It leads a process group of its own. */
export interface Child {
  readonly pid: number;
  /** Resolves once the kernel has taken the bytes, so a process that does not read slows its writer down. */
  write(kind: 'stdin' | 'pty', data: Uint8Array): Promise<void>;
  closeInput(): Promise<void>;
  resize(cols: number, rows: number): void;
  /** Signals the whole group, so that neither a shell nor what it runs outlives the other. */
  signal(signal: NodeJS.Signals): void;
  /** Stops or resumes reading the output, which in turn blocks or unblocks the process. */
  hold(on: boolean): void;
}

/** Returns false if the group has no processes left. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
