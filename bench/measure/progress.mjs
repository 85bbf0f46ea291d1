/**
 * Prints the progress of a run with a known number of steps to stderr, with the estimated time left.
 * @param {number} steps @param {() => number} now Milliseconds.
 */
export function progress(steps, now = () => performance.now()) {
  const started = now();
  let done = 0;
  return {
    /** @param {string} name */
    step(name) {
      const left = done === 0 ? '' : `, ${clock(((now() - started) / done) * (steps - done))} left`;
      done++;
      console.error(`[${String(done).padStart(String(steps).length)}/${steps}${left}] ${name}`);
    },
  };
}

/** @param {number} ms */
function clock(ms) {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
