import { vi } from 'vitest';

/** For what must come, however busy the machine is. A test that waits this long has failed. */
const PATIENCE_MS = 30_000;

/** Resolves with what `check` returns once it does not throw any more; rejects with its last error. */
export function eventually<T>(check: () => T | Promise<T>, interval = 20): Promise<T> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval });
}
