/** Median and quartiles of a few rounds. @typedef {{ median: number, q1: number, q3: number }} Spread */

/** @param {readonly number[]} numbers @returns {Spread} */
export function spread(numbers) {
  return { median: quantile(numbers, 0.5), q1: quantile(numbers, 0.25), q3: quantile(numbers, 0.75) };
}

/** @param {readonly number[]} numbers */
export function median(numbers) {
  return quantile(numbers, 0.5);
}

/**
 * Interpolates between neighbors; NaN for an empty list.
 * @param {readonly number[]} numbers @param {number} share 0 to 1
 */
export function quantile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/**
 * An observed value with at least `share` of all values at or below it; latencies are never interpolated.
 * @param {Float64Array} sorted @param {number} share
 */
export function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

const SHARES = { p50: 0.5, p75: 0.75, p90: 0.9, p99: 0.99, p999: 0.999 };

/** @typedef {Record<keyof typeof SHARES | 'max', number>} Percentiles */

/** @param {Float64Array} latencies Sorted in place. @returns {Percentiles} */
export function percentiles(latencies) {
  latencies.sort();
  const found = Object.entries(SHARES).map(([name, share]) => [name, percentile(latencies, share)]);
  return { ...Object.fromEntries(found), max: percentile(latencies, 1) };
}
