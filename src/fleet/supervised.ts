import { setTimeout as pause } from 'node:timers/promises';

/** One run of a program. */
export interface Running {
  pid?: number;
  /** Resolves with how it ended, in words. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

/** What a program is at this moment. */
export type ProgramState<R extends Running = Running> =
  | { kind: 'up'; running: R }
  /** Ended because it was asked to, and about to be back. */
  | { kind: 'restarting' }
  /** Ended by itself, or did not start; `reason` in words. */
  | { kind: 'down'; reason: string };

/** Passed in, so that tests can own it. */
export interface SupervisorTime {
  /** Resolves after `ms`, or as soon as `stop` is aborted. */
  pause(ms: number, stop: AbortSignal): Promise<void>;
  /** Milliseconds of a clock that only goes forward. */
  monotonic(): number;
}

const SYSTEM_TIME: SupervisorTime = {
  pause: (ms, signal) => pause(ms, undefined, { signal }).catch(() => {}),
  monotonic: () => performance.now(),
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** One that ended sooner than this after its start is in a loop, and has to wait longer each time. */
const SETTLED_MS = 5000;

/**
 * A program that is started again whenever it ends by itself: a part that is lost answers 503 until it is back. The
 * first start's error is thrown; later ones become notices, and it tries on.
 */
export class Supervised<R extends Running = Running> {
  readonly name: string;
  /** How often it was started again after it had ended by itself. */
  restarts = 0;
  readonly #start: () => Promise<R>;
  readonly #notice: (line: string) => void;
  readonly #time: SupervisorTime;
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #state: ProgramState<R>;
  #pauseMs = FIRST_PAUSE_MS;
  /** Told once of how the next start ends. */
  #asked: { done(): void; failed(error: unknown): void } | undefined;

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

  /** Ends it its own way and starts it again at once. Rejects where it does not start; then it is tried on. */
  async restart(): Promise<void> {
    if (this.#state.kind !== 'up') return;
    const { running } = this.#state;
    const back = new Promise<void>((done, failed) => {
      this.#asked = { done, failed };
    });
    this.#state = { kind: 'restarting' };
    await Promise.all([running.stop(), back]);
  }

  /** Once `ending` is aborted it is not started again, however it ends; it is still to be stopped. */
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
    this.#asked?.done();
  }

  /** The next run; undefined once it is to stop. */
  async #again(how: string): Promise<R | undefined> {
    const { signal } = this.#stopping;
    let reason = how;
    while (!signal.aborted) {
      if (this.#asked === undefined) await this.#backOff(reason);
      if (signal.aborted) return undefined;
      try {
        const running = await this.#start();
        this.#state = { kind: 'up', running };
        this.#settle((asked) => asked.done());
        // A stop that came while it started did not reach it.
        if (signal.aborted) await running.stop();
        return running;
      } catch (error) {
        reason = (error as Error).message;
        this.#settle((asked) => asked.failed(error));
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

  #settle(tell: (asked: { done(): void; failed(error: unknown): void }) => void): void {
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked !== undefined) tell(asked);
  }
}
