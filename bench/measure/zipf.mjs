/**
 * Ranks 0 to `count` - 1, each drawn with a weight of 1/(rank+1)^exponent: a few sandboxes get most of the requests.
 * @param {number} count @param {number} exponent @param {() => number} random
 * @returns {() => number}
 */
export function zipf(count, exponent, random) {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    upTo[rank] = sum;
  }
  return () => {
    const drawn = random() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((upTo[middle] ?? 0) > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
