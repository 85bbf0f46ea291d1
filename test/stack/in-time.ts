const LIVES_MS = [700, 3000, 12_000];

/**
 * Tries `work` with something that lives only so long, such as a token: a little while, so that nobody waits for its end,
 * and a longer one if a slow machine came too late. `work` resolves with undefined if it came too late; before the end of
 * that life it is a fault, and throws.
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
