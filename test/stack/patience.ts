/**
 * How long a test waits for an expected event: many times what it takes on the slowest machine, but less than the timeout
 * of a test, so that the failure names the event. A shorter wait never makes a test pass sooner.
 */
export const PATIENCE_MS = 25_000;

/** For `vi.waitFor`, `vi.waitUntil` and `expect.poll`, whose default timeout is one second. */
export const PATIENCE = { timeout: PATIENCE_MS, interval: 20 };

/** Timeout of a test that starts several processes, one after another. */
export const SEVERAL_PROCESSES_MS = 180_000;
