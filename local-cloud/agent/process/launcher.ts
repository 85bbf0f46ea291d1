import { stat } from 'node:fs/promises';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Account } from '../account/accounts.ts';
import type { ProcessConfig, StartRequest } from '../gen/process/process_pb.ts';
import { expandPath } from '../paths.ts';
import type { SandboxDefaults } from '../sandbox-defaults.ts';
import type { Child, ChildEvents, Command } from './child.ts';
import { startPiped } from './piped-child.ts';
import { startOnTerminal } from './terminal-child.ts';

/** Starts processes for requests, as the user of the account. */
export class Launcher {
  readonly #defaults: SandboxDefaults;
  readonly #path: string;
  /** Set in the environment of every process, so that `endAll` finds those that have left their process group. */
  readonly #mark: readonly [string, string];

  constructor(defaults: SandboxDefaults, path: string, mark: readonly [string, string]) {
    this.#defaults = defaults;
    this.#path = path;
    this.#mark = mark;
  }

  async start(request: StartRequest, account: Account, events: ChildEvents): Promise<Child> {
    if (!request.process?.cmd) throw new ConnectError('process.cmd is missing', Code.InvalidArgument);
    const command = await this.#command(request.process, account);
    if (request.pty) {
      return startOnTerminal(command, request.pty.size ?? { cols: 80, rows: 24 }, events);
    }
    // Absent means true: SDKs from before this field rely on it.
    return await startPiped(command, request.stdin ?? true, events);
  }

  async #command(config: ProcessConfig, account: Account): Promise<Command> {
    const cwd = expandPath(config.cwd ?? '', account, this.#defaults.workdir);
    const folder = await stat(cwd).catch(() => undefined);
    if (!folder) throw new ConnectError(`cwd '${cwd}' does not exist`, Code.InvalidArgument);
    if (!folder.isDirectory())
      throw new ConnectError(`cwd '${cwd}' is not a directory`, Code.InvalidArgument);
    const { name, uid, gid, home, switches } = account;
    return {
      cmd: config.cmd,
      args: config.args,
      cwd,
      // Only PATH comes from the agent's own environment; the rest may hold secrets of the agent.
      env: {
        PATH: this.#path,
        HOME: home,
        USER: name,
        LOGNAME: name,
        ...this.#defaults.envs,
        ...config.envs,
        [this.#mark[0]]: this.#mark[1],
      },
      ids: switches ? { uid, gid } : undefined,
    };
  }
}
