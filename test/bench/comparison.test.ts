import { expect, it } from 'vitest';
import { comparison, comparisonText } from '../../bench/report/comparison.mjs';

const rounds = (ratios: number[], again: number[]) =>
  ratios.map((ratio, n) => ({
    before: 50 + n,
    after: (50 + n) * ratio,
    again: (50 + n) * ratio * again[n]!,
  }));
const noise = [0.96, 0.98, 1, 1.02, 1.04];

it('compares gates within a round, so that a slow round counts like any other', () => {
  const { afterOverBefore, againOverAfter } = comparison(rounds([1.1, 1.1, 1.1, 1.1, 1.1], noise));
  expect(afterOverBefore.median).toBeCloseTo(1.1);
  expect(againOverAfter).toMatchObject({ median: 1, q1: 0.98, q3: 1.02 });
});

it.each([
  [1.01, true, 'within the quartiles of the A/A run'],
  [1.1, false, 'outside the quartiles of the A/A run: more CPU'],
  [0.9, false, 'outside the quartiles of the A/A run: less CPU'],
])('takes a ratio of %d for noise: %s', (ratio, withinNoise, verdict) => {
  const found = comparison(rounds(Array(5).fill(ratio), noise));
  expect(found.withinNoise).toBe(withinNoise);
  expect(comparisonText(found)).toContain(verdict);
});

it('prints medians and quartiles of both ratios', () => {
  expect(comparisonText(comparison(rounds(Array(5).fill(1.01), noise)))).toBe(
    [
      'gate CPU per request, ratios of 5 rounds',
      '  after / before  x 1.010 (quartiles 1.010 to 1.010)',
      '  again / after   x 1.000 (quartiles 0.980 to 1.020)  (A/A: two gates of this checkout)',
      'the difference lies within the quartiles of the A/A run',
    ].join('\n'),
  );
});
