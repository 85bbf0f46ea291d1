import { setTimeout as pause } from 'node:timers/promises';
import { SandgateError } from '#src/errors.js';
import type { Keeper } from './keeper.ts';
import { killAndWait, signal } from './processes.ts';
import type { LimitedBy, Sandbox } from './sandbox.ts';

export interface RunningSandboxParts {
  sandboxId: string;
  bridgeSocket: string;
  agentPort: number;
  limitedBy: LimitedBy;
  keeper: Keeper;
  /** True with `--no-isolation`: signals go to the process group. */
  grouped: boolean;
  graceMs: number;
  /** Removes what the sandbox leaves on disk. */
  clear(): Promise<void>;
}

export class RunningSandbox implements Sandbox {
  readonly sandboxId: string;
  readonly bridgeSocket: string;
  readonly agentPort: number;
  readonly pid: number;
  readonly limitedBy: LimitedBy;
  readonly exited: Promise<number | null>;
  readonly #parts: RunningSandboxParts;
  #ending: Promise<void> | undefined;
  /** One command at a time: replies come in order. */
  #lastCommand: Promise<void> = Promise.resolve();

  constructor(parts: RunningSandboxParts) {
    this.#parts = parts;
    this.sandboxId = parts.sandboxId;
    this.bridgeSocket = parts.bridgeSocket;
    this.agentPort = parts.agentPort;
    this.limitedBy = parts.limitedBy;
    this.pid = parts.keeper.init.pid;
    this.exited = parts.keeper.exited;
  }

  pause(): Promise<void> {
    return this.#command('pause', 'SIGSTOP');
  }

  resume(): Promise<void> {
    return this.#command('resume', 'SIGCONT');
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  #command(command: 'pause' | 'resume', name: NodeJS.Signals): Promise<void> {
    const done = this.#lastCommand.then(async () => {
      if (this.#parts.grouped) {
        if (!signal(-this.pid, name)) throw this.#ended(command);
        return;
      }
      this.#parts.keeper.protocol.send(command);
      if ((await this.#parts.keeper.protocol.receive()) === undefined) throw this.#ended(command);
    });
    this.#lastCommand = done.catch(() => {});
    return done;
  }

  async #end(): Promise<void> {
    const { keeper, grouped, graceMs, clear } = this.#parts;
    if (grouped) signal(-this.pid, 'SIGCONT');
    keeper.protocol.send('end');
    const waiting = new AbortController();
    await Promise.race([this.exited, pause(graceMs, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
    await killAndWait(keeper.init, grouped);
    await this.exited;
    await clear();
  }

  #ended(command: string): SandgateError {
    return new SandgateError('SANDBOX_FAILED', `cannot ${command} sandbox ${this.sandboxId}: it has ended`);
  }
}
