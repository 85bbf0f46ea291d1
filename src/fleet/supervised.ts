import { setTimeout as pause } from 'node:timers/promises';

/** One run of a program. */
export interface Running {
  pid?: number;
  /** Resolves with a description of how it ended. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

/** The current state of a program. */
export type ProgramState<R extends Running = Running> =
  | { kind: 'up'; running: R }
  /** Stopped by `restart`, and about to start again. */
  | { kind: 'restarting' }
  /** Ended on its own, or did not start. `reason` describes how. */
  | { kind: 'down'; reason: string };

/** Passed in, so that tests can control it. */
export interface SupervisorTime {
  /** Resolves after `ms`, or as soon as `stop` is aborted. */
  pause(ms: number, stop: AbortSignal): Promise<void>;
  /** Milliseconds of a monotonic clock. */
  monotonic(): number;
}

const SYSTEM_TIME: SupervisorTime = {
  pause: (ms, signal) => pause(ms, undefined, { signal }).catch(() => {}),
  monotonic: () => performance.now(),
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** A program that ends sooner than this after its start is in a crash loop, and waits longer each time. */
const SETTLED_MS = 5000;

/**
 * A program that is started again whenever it ends on its own; until it is back, requests get 503. An error of the first
 * start is thrown; later ones become notices, and the start is tried again.
 */
export class Supervised<R extends Running = Running> {
  readonly name: string;
  /** How often it was started again after it had ended on its own. */
  restarts = 0;
  readonly #start: () => Promise<R>;
  readonly #notice: (line: string) => void;
  readonly #time: SupervisorTime;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #state: ProgramState<R>;
  #pauseMs = FIRST_PAUSE_MS;
  /** The `restart` that waits for the result of the next start. */
  #waiting: { done(): void; failed(error: unknown): void } | undefined;

  static async start<R extends Running>(
    name: string,
    start: () => Promise<R>,
    notice: (line: string) => void,
    time: SupervisorTime = SYSTEM_TIME,
  ): Promise<Supervised<R>> {
    return new Supervised(name, start, notice, time, await start());
  }

  private constructor(
    name: string,
    start: () => Promise<R>,
    notice: (line: string) => void,
    time: SupervisorTime,
    first: R,
  ) {
    this.name = name;
    this.#start = start;
    this.#notice = notice;
    this.#time = time;
    this.#state = { kind: 'up', running: first };
    this.#watching = this.#watch(first);
  }

  get state(): ProgramState<R> {
    return this.#state;
  }

  /** Stops the program and starts it again at once. Rejects if it does not start; it is then tried again. */
  async restart(): Promise<void> {
    if (this.#state.kind !== 'up') return;
    const { running } = this.#state;
    const back = new Promise<void>((done, failed) => {
      this.#waiting = { done, failed };
    });
    this.#state = { kind: 'restarting' };
    await Promise.all([running.stop(), back]);
  }

  /** Once `ending` is aborted, the program is not started again, however it ends. It must still be stopped. */
  endWith(ending: AbortSignal): this {
    if (ending.aborted) this.#stopping.abort();
    else ending.addEventListener('abort', () => this.#stopping.abort(), { once: true });
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const state = this.#state;
    if (state.kind === 'up') await state.running.stop();
    await this.#watching;
  }

  async #watch(first: R): Promise<void> {
    let running: R | undefined = first;
    while (running !== undefined) {
      const startedAt = this.#time.monotonic();
      const how: string = await running.exited;
      if (this.#time.monotonic() - startedAt > SETTLED_MS) this.#pauseMs = FIRST_PAUSE_MS;
      running = await this.#again(how);
    }
    this.#waiting?.done();
  }

  /** The next run; undefined if the program is to stop. */
  async #again(how: string): Promise<R | undefined> {
    const { signal } = this.#stopping;
    let reason = how;
    while (!signal.aborted) {
      if (this.#waiting === undefined) await this.#backOff(reason);
      if (signal.aborted) return undefined;
      try {
        const running = await this.#start();
        this.#state = { kind: 'up', running };
        this.#settle((waiting) => waiting.done());
        // A stop during the start did not reach it.
        if (signal.aborted) await running.stop();
        return running;
      } catch (error) {
        reason = (error as Error).message;
        this.#settle((waiting) => waiting.failed(error));
      }
    }
    return undefined;
  }

  async #backOff(reason: string): Promise<void> {
    this.#state = { kind: 'down', reason };
    this.restarts++;
    this.#notice(`${this.name} ended (${reason}); starting it again`);
    await this.#time.pause(this.#pauseMs, this.#stopping.signal);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #settle(report: (waiting: { done(): void; failed(error: unknown): void }) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) report(waiting);
  }
}
