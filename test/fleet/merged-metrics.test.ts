import { expect, it } from 'vitest';
import { MergedMetrics } from '../../src/fleet/merged-metrics.ts';
import type { MetricDump, MetricJson } from '../../src/observe/exposition.ts';
import { METRICS } from '../../src/observe/metric-catalogue.ts';

const one = (
  { name, help, type }: { name: string; help: string; type: string },
  value: number,
  labels = {},
) => ({
  name,
  help,
  type,
  values: [{ labels, value }],
});
const allows = (value: number) => one(METRICS.decisions, value, { outcome: 'allow', reason: 'token' });
const dump = (pid: number, ...metrics: MetricJson[]): MetricDump => ({ pid, metrics });
const valuesOf = (metrics: MetricJson[]) =>
  Object.fromEntries(metrics.map(({ name, values }) => [name, values.map(({ value }) => value)]));

it('counters are summed, and never fall, even while a process is away or after it restarts', () => {
  const merged = new MergedMetrics();
  const sum = (...dumps: (MetricDump | undefined)[]) => valuesOf(merged.merge(dumps))[METRICS.decisions.name];
  expect(sum(dump(1, allows(10)), dump(2, allows(5)))).toEqual([15]);
  expect(sum(dump(1, allows(11)), undefined)).toEqual([16]);
  expect(sum(dump(1, allows(11)), dump(3, allows(0)))).toEqual([16]);
  expect(sum(dump(4, allows(2)), dump(3, allows(1)))).toEqual([19]);
});

it('a histogram is summed bucket by bucket, in the order of its bounds', () => {
  const name = METRICS.duration.name;
  const histogram = (low: number, high: number): MetricJson => ({
    ...METRICS.duration,
    values: [
      { metricName: `${name}_bucket`, labels: { le: '0.1' }, value: low },
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: high },
      { metricName: `${name}_count`, labels: {}, value: high },
    ],
  });
  const [merged] = new MergedMetrics().merge([dump(1, histogram(1, 2)), dump(2, histogram(10, 20))]);
  expect(merged!.values).toEqual([
    { metricName: `${name}_bucket`, labels: { le: '0.1' }, value: 11 },
    { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: 22 },
    { metricName: `${name}_count`, labels: {}, value: 22 },
  ]);
});

it('gauges of the processes that answer merge as the catalogue says', () => {
  const gauges = (sequence: number, age: number, entries: number) => [
    one(METRICS.sequence, sequence, { epoch: 'e' }),
    one(METRICS.contactAge, age),
    one(METRICS.cacheEntries, entries, { kind: 'policy' }),
  ];
  const merged = new MergedMetrics();
  const both = [dump(1, ...gauges(7, 1, 100)), dump(2, ...gauges(6, 9, 50))];
  expect(valuesOf(merged.merge(both))).toEqual({
    [METRICS.sequence.name]: [6],
    [METRICS.contactAge.name]: [9],
    [METRICS.cacheEntries.name]: [150],
  });
  expect(valuesOf(merged.merge([both[0], undefined]))).toEqual({
    [METRICS.sequence.name]: [7],
    [METRICS.contactAge.name]: [1],
    [METRICS.cacheEntries.name]: [100],
  });
});

it('metrics of a process itself keep a series for each process', () => {
  const memory = (value: number) =>
    one({ name: 'process_resident_memory_bytes', help: '', type: 'gauge' }, value);
  const [merged] = new MergedMetrics().merge([dump(1, memory(5)), dump(2, memory(6))]);
  expect(merged!.values).toEqual([
    { labels: { process: '0' }, value: 5 },
    { labels: { process: '1' }, value: 6 },
  ]);
});
