const LIVES_MS = [700, 3000, 12_000];

/**
 * Tries `work` with something that lives only so long, such as a token: a little while, so that nobody waits for its end,
 * and a longer one where a slow machine came too late. `work` resolves with undefined if it came too late.
 */
export async function inTime<T>(work: (livesMs: number) => Promise<T | undefined>): Promise<T> {
  for (const livesMs of LIVES_MS) {
    const done = await work(livesMs);
    if (done !== undefined) return done;
  }
  throw new Error(`not even ${LIVES_MS.at(-1)} ms were enough`);
}
