import { type ChildProcess, spawn } from 'node:child_process';
import { Code, ConnectError } from '@connectrpc/connect';
import { failure } from '../system-error.ts';
import { type Child, type ChildEvents, type Command, signalGroup } from './child.ts';

/** How long to read output after a signal: a surviving grandchild may keep the pipes open. */
const TAIL_MS = 200;

/** Starts a command with pipes. Rejects with `not_found` if the program does not exist. */
export function startPiped(command: Command, withStdin: boolean, events: ChildEvents): Promise<Child> {
  const child = spawn(command.cmd, command.args, {
    cwd: command.cwd,
    env: command.env,
    ...command.ids,
    detached: true,
    stdio: [withStdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'ENOENT' ? Code.NotFound : Code.InvalidArgument;
      reject(failure(code, `error starting process '${[command.cmd, ...command.args].join(' ')}'`, error));
    });
    child.once('spawn', () => resolve(new PipedChild(child, events)));
  });
}

class PipedChild implements Child {
  readonly pid: number;
  readonly #child: ChildProcess;
  #signalled = false;
  #ended = false;

  constructor(child: ChildProcess, events: ChildEvents) {
    this.#child = child;
    this.pid = child.pid!;
    child.stdout?.on('data', (data: Buffer) => events.output({ kind: 'stdout', data }));
    child.stderr?.on('data', (data: Buffer) => events.output({ kind: 'stderr', data }));
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => {});
    child.once('exit', () => {
      this.#ended = true;
      if (this.#signalled) this.#dropTail();
    });
    // 'close' follows the last byte of both pipes.
    child.once('close', (code, signal) => {
      events.exit({ code: code ?? undefined, signal: signal ?? undefined });
    });
  }

  write(kind: 'stdin' | 'pty', data: Uint8Array): Promise<void> {
    if (kind === 'pty') throw noTerminal('input should be written to the stdin, not the tty');
    const { stdin } = this.#child;
    if (!stdin?.writable)
      throw new ConnectError('error writing to stdin: stdin not enabled or closed', Code.Internal);
    return new Promise((resolve, reject) => {
      stdin.write(data, (error) => {
        if (error) reject(failure(Code.Internal, `error writing to stdin of process '${this.pid}'`, error));
        else resolve();
      });
    });
  }

  closeInput(): Promise<void> {
    const { stdin } = this.#child;
    return new Promise((resolve) => {
      if (!stdin || stdin.writableEnded || stdin.destroyed) return resolve();
      stdin.once('close', resolve);
      stdin.end();
    });
  }

  resize(): void {
    throw noTerminal('it cannot be resized');
  }

  signal(signal: NodeJS.Signals): void {
    this.#signalled = true;
    if (!signalGroup(this.pid, signal)) this.#child.kill(signal);
    if (this.#ended) this.#dropTail();
  }

  hold(on: boolean): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (on) stream?.pause();
      else stream?.resume();
    }
  }

  #dropTail(): void {
    setTimeout(() => {
      this.#child.stdout?.destroy();
      this.#child.stderr?.destroy();
    }, TAIL_MS).unref();
  }
}

function noTerminal(why: string): ConnectError {
  return new ConnectError(`tty not assigned to process: ${why}`, Code.Internal);
}
