import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from '../observe/logger.ts';
import type { Supervised } from './supervised.ts';

const POLL_MS = 50;

/**
 * Restarts programs one by one, each only while all of them are up, and `settleMs` after the previous one came back,
 * which is how long Envoy takes to notice. Stops at the first that does not start, or when `stop` is aborted.
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

  /** Returns at once. A request during a restart causes one more, because files may have changed since it began. */
  request(): void {
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
      await this.#wait(POLL_MS);
    }
    if (this.#stop.aborted) return;
    await program.restart();
    await this.#wait(this.#settleMs);
  }

  async #wait(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stop }).catch(() => {});
  }
}
