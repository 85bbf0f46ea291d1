import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/observe/counters.ts';

describe('a latency histogram', () => {
  it('counts each value in every bucket that it fits into, and values above all bounds only in +Inf', () => {
    const histogram = new LatencyHistogram([0.25, 1]);
    for (const seconds of [0.125, 0.25, 0.5, 2]) histogram.observe(seconds);
    expect(histogram.samples('x_seconds')).toEqual([
      { metricName: 'x_seconds_bucket', labels: { le: '0.25' }, value: 2 },
      { metricName: 'x_seconds_bucket', labels: { le: '1' }, value: 3 },
      { metricName: 'x_seconds_bucket', labels: { le: '+Inf' }, value: 4 },
      { metricName: 'x_seconds_sum', labels: {}, value: 2.875 },
      { metricName: 'x_seconds_count', labels: {}, value: 4 },
    ]);
  });
});
