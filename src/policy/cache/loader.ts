import { SandgateError, toSandgateError } from '../../errors.ts';
import { UnchainedMap } from '../../unchained-map.ts';

/** How one load ended. */
export type Loaded<V> = { kind: 'loaded'; value: V } | { kind: 'failed'; error: SandgateError };

export interface LoaderOptions<V, R> {
  /** Reads one key. It may hang or reject. */
  load(key: string): Promise<V>;
  /**
   * Makes the callers' result from what was loaded. Called synchronously after the check that no invalidation came
   * in between. Must not throw.
   */
  settle(key: string, loaded: Loaded<V>): R;
  /** Longest wait of a caller in milliseconds, repeated reads included. */
  deadlineMs: number;
}

/** Reads of a key that keeps changing; more of them would only burden a store that is already busy. */
const READS_MAX = 4;

interface Flight<R> {
  /** Grows with each invalidation; a read that began under another generation is discarded. */
  generation: number;
  ended: boolean;
  result: Promise<R>;
}

/**
 * Runs one load per key, however many callers wait. (`lru-cache` has a loader, but its delete rejects the waiting
 * callers, and a failed refresh drops the entry.) Generations live only as long as their load, so memory is bounded.
 */
export class Loader<V, R> {
  readonly #options: LoaderOptions<V, R>;
  readonly #flights = new UnchainedMap<string, Flight<R>>(String);

  constructor(options: LoaderOptions<V, R>) {
    this.#options = options;
  }

  /** Never rejects, unless `settle` throws. */
  load(key: string): Promise<R> {
    return (this.#flights.get(key) ?? this.#start(key)).result;
  }

  inFlight(): number {
    return this.#flights.size;
  }

  invalidate(key: string): void {
    const flight = this.#flights.get(key);
    if (flight !== undefined) flight.generation++;
  }

  invalidateAll(): void {
    for (const flight of this.#flights.values()) flight.generation++;
  }

  #start(key: string): Flight<R> {
    const { settle, deadlineMs } = this.#options;
    let resolve!: (result: R) => void;
    const result = new Promise<R>((done) => {
      resolve = done;
    });
    const flight: Flight<R> = { generation: 0, ended: false, result };
    const end = (loaded: Loaded<V>) => {
      if (flight.ended) return;
      flight.ended = true;
      clearTimeout(timer);
      // The next caller starts a new read, even if this one hangs forever.
      this.#flights.delete(key);
      resolve(settle(key, loaded));
    };
    const timer = setTimeout(() => end(failed('the store did not answer in time')), deadlineMs);
    this.#flights.set(key, flight);
    void this.#read(key, flight, end);
    return flight;
  }

  async #read(key: string, flight: Flight<R>, end: (loaded: Loaded<V>) => void): Promise<void> {
    for (let reads = 0; reads < READS_MAX && !flight.ended; reads++) {
      const { generation } = flight;
      const loaded = await this.#options.load(key).then(
        (value): Loaded<V> => ({ kind: 'loaded', value }),
        (error): Loaded<V> => ({ kind: 'failed', error: toSandgateError(error) }),
      );
      if (generation === flight.generation) return end(loaded);
    }
    end(failed('the policy changed during each read'));
  }
}

function failed(message: string): { kind: 'failed'; error: SandgateError } {
  return { kind: 'failed', error: new SandgateError('STORE_UNAVAILABLE', message) };
}
