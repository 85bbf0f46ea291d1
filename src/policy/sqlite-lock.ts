import { setTimeout as pause } from 'node:timers/promises';
import { isBusy } from './sqlite-error.ts';

/** With the wait inside SQLite (100 ms each), somebody else's lock is given up on after about two seconds. */
const ATTEMPTS = 20;
const PAUSE_MS = 10;

/** Waits for somebody else's lock without stopping the process for long. Throws what `work` threw. */
export async function whileBusy<T>(work: () => T): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || attempt === ATTEMPTS) throw error;
    }
    await pause(PAUSE_MS);
  }
}
