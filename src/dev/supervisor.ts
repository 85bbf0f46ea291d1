import { setTimeout as pause } from 'node:timers/promises';

/** One run of a program. */
export interface Running {
  /** Resolves with how it ended, in words. */
  exited: Promise<string>;
  stop(): Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/**
 * Starts a program and starts it again whenever it ends by itself. The first start's error is thrown; later ones
 * become notices, and it tries on: a stack that lost a part answers 503 until the part is back.
 */
export async function supervise(
  name: string,
  start: () => Promise<Running>,
  notice: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  let current = await start();

  const watching = (async () => {
    let wait = FIRST_PAUSE_MS;
    let how = await current.exited;
    while (!stopping.signal.aborted) {
      notice(`${name} ended (${how}); starting it again`);
      await pause(wait, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      try {
        current = await start();
        // A stop that came while it started did not reach it.
        if (stopping.signal.aborted) await current.stop();
        wait = FIRST_PAUSE_MS;
        how = await current.exited;
      } catch (error) {
        how = (error as Error).message;
        wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
      }
    }
  })();

  return {
    async stop() {
      stopping.abort();
      await current.stop();
      await watching;
    },
  };
}
