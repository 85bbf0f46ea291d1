import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../observe/logger.ts';
import type { Supervised } from './supervised.ts';

const BETWEEN_LOOKS_MS = 50;

/**
 * Restarts programs one after the other, each only while all of them are up, and `settleMs` after the last one came
 * back: that long it takes until others know that it is. Ends at the first that does not start, or with `stop`.
 */
export class RollingRestart {
  readonly #programs: readonly Pick<Supervised, 'state' | 'restart'>[];
  readonly #settleMs: number;
  readonly #stop: AbortSignal;
  readonly #log: Pick<Logger, 'info' | 'error'>;
  #running = false;
  #again = false;

  constructor(
    programs: readonly Pick<Supervised, 'state' | 'restart'>[],
    settleMs: number,
    stop: AbortSignal,
    log: Pick<Logger, 'info' | 'error'>,
  ) {
    this.#programs = programs;
    this.#settleMs = settleMs;
    this.#stop = stop;
    this.#log = log;
  }

  /** Returns at once. Asked while one is under way, there will be one more: the newest files are meant. */
  ask(): void {
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#again && !this.#stop.aborted) {
      this.#again = false;
      this.#log.info('rolling_restart');
      try {
        for (const program of this.#programs) await this.#one(program);
        this.#log.info('rolling_restart_done');
      } catch (error) {
        this.#log.error({ reason: (error as Error).message }, 'rolling_restart_failed');
      }
    }
    this.#running = false;
  }

  async #one(program: Pick<Supervised, 'restart'>): Promise<void> {
    while (!this.#stop.aborted && this.#programs.some(({ state }) => state.kind !== 'up')) {
      await this.#wait(BETWEEN_LOOKS_MS);
    }
    if (this.#stop.aborted) return;
    await program.restart();
    await this.#wait(this.#settleMs);
  }

  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stop }).catch(() => {});
  }
}
