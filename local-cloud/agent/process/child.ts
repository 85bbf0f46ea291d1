/** What a process wrote. */
export interface Output {
  kind: 'stdout' | 'stderr' | 'pty';
  data: Uint8Array;
}

/** How it ended: exactly one of the two is set. */
export interface Exit {
  code: number | undefined;
  signal: NodeJS.Signals | undefined;
}

/** What to run, as whom, all resolved. */
export interface Command {
  cmd: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  /** Absent: the agent's own. */
  ids: { uid: number; gid: number } | undefined;
}

export interface ChildEvents {
  output(output: Output): void;
  /** After the last output. */
  exit(exit: Exit): void;
}

/** A started process, behind pipes or behind a terminal. It leads a process group of its own. */
export interface Child {
  readonly pid: number;
  /** Resolves once the bytes are with the kernel: a process that does not read holds its writer back. */
  write(kind: 'stdin' | 'pty', data: Uint8Array): Promise<void>;
  closeInput(): Promise<void>;
  resize(cols: number, rows: number): void;
  /** To the whole group, so that a shell does not outlive what it runs, nor the other way round. */
  signal(signal: NodeJS.Signals): void;
  /** Stops or resumes reading its output, which in turn blocks the process. */
  hold(on: boolean): void;
}

/** `false`: nobody is left in the group. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
