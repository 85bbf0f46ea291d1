/**
 * When each request of an open loop is due, in milliseconds from the start. Users are independent, so the gaps are
 * exponential. Computed before the run, so that the server cannot delay an arrival.
 * @param {number} perSecond @param {number} seconds @param {() => number} random
 */
export function arrivals(perSecond, seconds, random) {
  const mean = 1000 / perSecond;
  /** @type {number[]} */
  const due = [];
  for (let at = gap(); at < seconds * 1000; at += gap()) due.push(at);
  return Float64Array.from(due);

  function gap() {
    return -Math.log(1 - random()) * mean;
  }
}
