import { SandgateError } from './errors.ts';

interface Step {
  name: string;
  close: () => unknown;
}

/**
 * What a composition root has opened, closed in reverse order: on shutdown, and if the start fails halfway. A step that
 * fails does not keep the others from running.
 */
export class Teardown {
  readonly #steps: Step[] = [];
  #running: Promise<void> | undefined;

  /** `name` appears in errors, as in "could not close the store". */
  add(name: string, close: () => unknown): void {
    if (this.#running !== undefined) throw new SandgateError('INTERNAL', `opened too late to close: ${name}`);
    this.#steps.push({ name, close });
  }

  /**
   * Runs every step, each after the one before has settled; later calls return the same promise. Rejects with INTERNAL,
   * which names each step that failed, once all of them have run.
   */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    const faults: { name: string; error: unknown }[] = [];
    for (const { name, close } of this.#steps.toReversed()) {
      try {
        await close();
      } catch (error) {
        faults.push({ name, error });
      }
    }
    if (faults.length === 0) return;
    const texts = faults.map(
      ({ name, error }) => `${name} (${error instanceof Error ? error.message : error})`,
    );
    const errors = faults.map(({ error }) => error);
    throw new SandgateError('INTERNAL', `could not close ${texts.join(', ')}`, {
      cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
    });
  }
}

/** Runs `start`; if it throws, closes what it has added and throws its error again. */
export async function startWith<T>(
  teardown: Teardown,
  start: (teardown: Teardown) => Promise<T>,
): Promise<T> {
  try {
    return await start(teardown);
  } catch (error) {
    // The error of the start is the cause; errors on closing would hide it.
    await teardown.run().catch(() => {});
    throw error;
  }
}
