import { constants } from 'node:os';
import { Code, ConnectError } from '@connectrpc/connect';
import { type IPty, spawn } from '@lydell/node-pty';
import { failure } from '../system-error.ts';
import { type Child, type ChildEvents, type Command, signalGroup } from './child.ts';

const SIGNAL_NAMES = new Map(
  Object.entries(constants.signals).map(([name, n]) => [n, name as NodeJS.Signals]),
);

/** Starts a command on a terminal of its own. */
export function startOnTerminal(
  command: Command,
  size: { cols: number; rows: number },
  events: ChildEvents,
): Child {
  try {
    const terminal = spawn(command.cmd, command.args, {
      name: command.env.TERM ?? 'xterm',
      cols: size.cols || 80,
      rows: size.rows || 24,
      cwd: command.cwd,
      env: command.env,
      ...command.ids,
      // As bytes: a read may end in the middle of a character.
      encoding: null,
    });
    return new TerminalChild(terminal, events);
  } catch (error) {
    throw failure(Code.InvalidArgument, `error starting pty with command '${command.cmd}'`, error);
  }
}

class TerminalChild implements Child {
  readonly pid: number;
  readonly #terminal: IPty;
  #ended = false;

  constructor(terminal: IPty, events: ChildEvents) {
    this.#terminal = terminal;
    this.pid = terminal.pid;
    terminal.onData((data) => {
      events.output({ kind: 'pty', data: data as unknown as Buffer });
    });
    terminal.onExit(({ exitCode, signal }) => {
      this.#ended = true;
      events.exit(
        signal
          ? { code: undefined, signal: SIGNAL_NAMES.get(signal) ?? 'SIGKILL' }
          : { code: exitCode, signal: undefined },
      );
    });
  }

  async write(kind: 'stdin' | 'pty', data: Uint8Array): Promise<void> {
    if (kind === 'stdin') {
      throw new ConnectError(
        'error writing to stdin: tty assigned to process: input should be written to the pty, not the stdin',
        Code.Internal,
      );
    }
    if (this.#ended) throw new ConnectError(`error writing to tty of process '${this.pid}'`, Code.Internal);
    // The declared type is text only, but node-pty passes bytes on unchanged.
    this.#terminal.write(Buffer.from(data) as unknown as string);
  }

  async closeInput(): Promise<void> {
    throw new ConnectError(
      'error closing stdin: cannot close stdin for PTY process: send Ctrl+D (0x04) instead',
      Code.Unknown,
    );
  }

  resize(cols: number, rows: number): void {
    if (this.#ended || cols === 0 || rows === 0) {
      throw new ConnectError(`error resizing tty: cannot be ${cols} by ${rows}`, Code.Internal);
    }
    this.#terminal.resize(cols, rows);
  }

  signal(signal: NodeJS.Signals): void {
    // Jobs of an interactive shell have their own groups; they get SIGHUP when the terminal closes with the shell.
    if (!signalGroup(this.pid, signal) && !this.#ended) this.#terminal.kill(signal);
  }

  hold(on: boolean): void {
    // A terminal that is not read within 200 ms after its end loses its last output, so never hold an ended one.
    if (this.#ended) return;
    if (on) this.#terminal.pause();
    else this.#terminal.resume();
  }
}
