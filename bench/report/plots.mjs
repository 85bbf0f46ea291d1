import { median } from '../measure/statistics.mjs';
import { COLOURS, drawn } from './chart.mjs';
import { prices } from './envoy-tables.mjs';
import { contendersOf, nameOf, samplesOf } from './figures.mjs';

/** @param {import('../commands/run.mjs').Run} run */
export function costPlot({ closed }) {
  const mixes = [...new Set(closed.map(({ mix }) => mix))];
  const contenders = contendersOf(closed);
  const series = contenders.flatMap((contender) =>
    /** @type {const} */ (['envoyUs', 'gateUs']).map((part) => ({
      name: `${nameOf(contender)}: ${part === 'envoyUs' ? 'Envoy' : 'gate'}`,
      type: 'bar',
      stack: contender,
      data: mixes.map((mix) => {
        const samples = samplesOf(closed, mix, contender);
        return samples.length === 0 ? null : median(samples.map((row) => row[part]));
      }),
    })),
  );
  return drawn({
    title: 'CPU per request, µs (closed loop, medians)',
    x: { type: 'category', data: mixes, axisLabel: { interval: 0 } },
    y: { name: 'µs' },
    series: series.filter(({ data }) => data.some((value) => value !== null && value > 0)),
  });
}

/** @param {import('../commands/run.mjs').Run} run */
export function latencyPlot({ open }) {
  const shares = [...new Set(open.map(({ share }) => share ?? 0))];
  const series = contendersOf(open).flatMap((contender, n) =>
    /** @type {const} */ (['p50', 'p99']).map((name) => ({
      name: `${nameOf(contender)}, ${name}`,
      type: 'line',
      color: COLOURS[n + 1],
      lineStyle: { type: name === 'p50' ? 'solid' : 'dashed' },
      data: shares.map((share) => {
        const at = open.filter((row) => row.share === share);
        return median(samplesOf(at, 'allow', contender).map(({ latencyMs }) => latencyMs[name]));
      }),
    })),
  );
  return drawn({
    title: 'Latency at shares of the capacity (open loop, from the due time)',
    x: { type: 'category', data: shares.map((share) => `${share * 100} %`) },
    y: { name: 'ms', type: 'log' },
    series,
  });
}

/** @param {import('../commands/envoy.mjs').EnvoyRun} run */
export function pricePlot(run) {
  const found = prices(run).sort((a, b) => a.envoy.median - b.envoy.median);
  return drawn({
    title: 'Cost of each setting in Envoy, µs per request',
    x: { type: 'value', name: 'µs' },
    y: { type: 'category', data: found.map(({ name }) => name) },
    series: [{ name: 'Envoy', type: 'bar', data: found.map(({ envoy }) => envoy.median) }],
  });
}

/** @param {import('../commands/envoy.mjs').EnvoyRun} run */
export function destinationPlot({ destinations }) {
  return drawn({
    title: 'Envoy and the number of destinations',
    x: { type: 'category', name: 'destinations', data: destinations.map(({ count }) => String(count)) },
    y: { name: 'µs per request; MB' },
    series: [
      { name: 'CPU, µs per request', type: 'line', data: destinations.map(({ envoyUs }) => envoyUs) },
      { name: 'memory, MB', type: 'line', data: destinations.map(({ residentMb }) => residentMb) },
    ],
  });
}

/** @param {import('../commands/scale.mjs').ScaleRun} run */
export function scalePlot({ rows }) {
  /** @param {string} name @param {(row: import('../commands/scale.mjs').ScaleRow) => number} pick */
  const line = (name, pick) => ({ name, type: 'line', data: rows.map(pick) });
  return drawn({
    title: 'Growth with the number of policies',
    x: { type: 'category', name: 'policies', data: rows.map(({ policies }) => String(policies)) },
    y: { type: 'log' },
    series: [
      line('start, ms', (row) => row.startMs),
      line('memory with the hot ones, MB', (row) => row.hotMb),
      line('hot look-up p99, µs', (row) => row.hotUs.p99),
      line('cold look-up p99, µs', (row) => row.coldUs.p99),
    ],
  });
}
