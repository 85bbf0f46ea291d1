/**
 * When each request of an open loop is due, in milliseconds from the start: independent users, so the gaps are
 * exponential. Made before the run: nothing that the server does moves an arrival.
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
