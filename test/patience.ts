/** How long a test waits for an event before it fails. A busy machine may take a hundred times as long as an idle one. */
export const PATIENCE_MS = 25_000;

/** The time for one test that starts several processes, one after another. */
export const SEVERAL_PROCESSES_MS = 180_000;
