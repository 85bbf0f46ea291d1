const LIVES_MS = [700, 3000, 12_000];

/**
 * Runs `work` with something of limited lifetime, such as a token. The lifetime starts short, and grows if a slow machine
 * was too late. `work` resolves with undefined if it was too late; undefined before the end of the lifetime is an error.
 */
export async function inTime<T>(work: (livesMs: number) => Promise<T | undefined>): Promise<T> {
  for (const livesMs of LIVES_MS) {
    const began = performance.now();
    const done = await work(livesMs);
    if (done !== undefined) return done;
    const tookMs = Math.round(performance.now() - began);
    if (tookMs < livesMs) throw new Error(`refused or ended after ${tookMs} ms of ${livesMs} ms`);
  }
  throw new Error(`not even ${LIVES_MS.at(-1)} ms were enough`);
}
