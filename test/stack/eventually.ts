import { vi } from 'vitest';
import { PATIENCE } from './patience.ts';

/** Resolves with what `check` returns once it does not throw any more; rejects with its last error. */
export function eventually<T>(check: () => T | Promise<T>, interval = PATIENCE.interval): Promise<T> {
  return vi.waitFor(check, { ...PATIENCE, interval });
}
