import { vi } from 'vitest';
import { PATIENCE } from './patience.ts';

/** Resolves with the result of `check` once it no longer throws; rejects with its last error. */
export function eventually<T>(check: () => T | Promise<T>, interval = PATIENCE.interval): Promise<T> {
  return vi.waitFor(check, { ...PATIENCE, interval });
}
