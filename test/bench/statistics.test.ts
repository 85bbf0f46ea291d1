import { describe, expect, it } from 'vitest';
import { median, percentile, percentiles, quantile, spread } from '../../bench/measure/statistics.mjs';

describe('the figures of a few rounds', () => {
  it('have a median between the two in the middle', () => {
    expect(median([4, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('have their quartiles as spread, whatever their order', () => {
    expect(spread([5, 1, 4, 2, 3])).toEqual({ median: 3, q1: 2, q3: 4 });
  });

  it('are not a number if there were none', () => {
    expect(quantile([], 0.5)).toBeNaN();
    expect(percentile(new Float64Array(), 0.99)).toBeNaN();
  });
});

describe('percentiles of latencies', () => {
  it('are observed values, never a mean of two', () => {
    const sorted = Float64Array.from([1, 2, 100]);
    expect(percentile(sorted, 0.5)).toBe(2);
    expect(percentile(sorted, 0.67)).toBe(100);
    expect(percentile(sorted, 1)).toBe(100);
  });

  it('cover the share in their name', () => {
    const latencies = Float64Array.from({ length: 1000 }, (_, n) => 1000 - n);
    expect(percentiles(latencies)).toEqual({ p50: 500, p75: 750, p90: 900, p99: 990, p999: 999, max: 1000 });
  });
});
