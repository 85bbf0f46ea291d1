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
  /** Removes what it leaves on disk. */
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
  /** One word at a time: answers come in order. */
  #turn: Promise<void> = Promise.resolve();

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
    return this.#order('pause', 'SIGSTOP');
  }

  resume(): Promise<void> {
    return this.#order('resume', 'SIGCONT');
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  #order(word: 'pause' | 'resume', name: NodeJS.Signals): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#parts.grouped) {
        if (!signal(-this.pid, name)) throw this.#gone(word);
        return;
      }
      this.#parts.keeper.words.say(word);
      if ((await this.#parts.keeper.words.hear()) === undefined) throw this.#gone(word);
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #end(): Promise<void> {
    const { keeper, grouped, graceMs, clear } = this.#parts;
    if (grouped) signal(-this.pid, 'SIGCONT');
    keeper.words.say('end');
    const waiting = new AbortController();
    await Promise.race([this.exited, pause(graceMs, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
    await killAndWait(keeper.init, grouped);
    await this.exited;
    await clear();
  }

  #gone(word: string): SandgateError {
    return new SandgateError('SANDBOX_FAILED', `cannot ${word} sandbox ${this.sandboxId}: it has ended`);
  }
}
