import { spread } from '../measure/statistics.mjs';

/**
 * Gate CPU per request of one round, in µs: this checkout's gate, the other checkout's, and a second gate of this
 * checkout.
 * @typedef {{ after: number, before: number, again: number }} RoundCpu
 * @typedef {import('../measure/statistics.mjs').Spread} Spread
 * @typedef {{ rounds: number, afterOverBefore: Spread, againOverAfter: Spread, withinNoise: boolean }} Comparison
 * `againOverAfter` is the A/A run; `withinNoise`: the median of the difference lies within its quartiles.
 */

/** Ratios are taken within a round, since rounds differ more than gates do. @param {readonly RoundCpu[]} rounds @returns {Comparison} */
export function comparison(rounds) {
  const afterOverBefore = spread(rounds.map(({ after, before }) => after / before));
  const againOverAfter = spread(rounds.map(({ again, after }) => again / after));
  const { median } = afterOverBefore;
  const withinNoise = againOverAfter.q1 <= median && median <= againOverAfter.q3;
  return { rounds: rounds.length, afterOverBefore, againOverAfter, withinNoise };
}

/** @param {Comparison} comparison */
export function comparisonText({ rounds, afterOverBefore, againOverAfter, withinNoise }) {
  const verdict = withinNoise
    ? 'the difference lies within the quartiles of the A/A run'
    : `the difference lies outside the quartiles of the A/A run: ${afterOverBefore.median < againOverAfter.q1 ? 'less' : 'more'} CPU`;
  return [
    `gate CPU per request, ratios of ${rounds} rounds`,
    `  after / before  ${shown(afterOverBefore)}`,
    `  again / after   ${shown(againOverAfter)}  (A/A: two gates of this checkout)`,
    verdict,
  ].join('\n');
}

/** @param {Spread} spread */
function shown({ median, q1, q3 }) {
  return `x ${median.toFixed(3)} (quartiles ${q1.toFixed(3)} to ${q3.toFixed(3)})`;
}
