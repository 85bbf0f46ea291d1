/**
 * How long a test waits for something that has to come: many times what it takes on the slowest machine, and less than a
 * test may take in all, so that what did not come is named. A test that waits never passes sooner for being impatient.
 */
export const PATIENCE_MS = 25_000;

/** For `vi.waitFor`, `vi.waitUntil` and `expect.poll`, whose own patience is one second. */
export const PATIENCE = { timeout: PATIENCE_MS, interval: 20 };

/** The time for one test that starts several processes, one after another. */
export const SEVERAL_PROCESSES_MS = 180_000;
