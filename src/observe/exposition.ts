import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { GateMetrics } from './gate-metrics.ts';
import { type GateState, stateSamples } from './gate-state.ts';
import { METRICS, type MetricKey } from './metric-catalogue.ts';
import type { Sample } from './tally.ts';

/** What `/metrics` answers. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

/** Everything in the catalogue, and prom-client's own metrics of the process, in Prometheus' text format. */
export function createExposition(metrics: GateMetrics, state: () => GateState): Exposition {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let samples: Record<MetricKey, Sample[]>;
  for (const key of Object.keys(METRICS) as MetricKey[]) {
    const { name, help, type } = METRICS[key];
    // All that a registry asks of a metric: prom-client's own classes would keep, and hash, the numbers once more.
    const metric = { name, get: async () => ({ name, help, type, aggregator: 'sum', values: samples[key] }) };
    registry.registerMetric(metric as unknown as Metric);
  }
  return {
    contentType: registry.contentType,
    async text() {
      samples = { ...metrics.samples(), ...stateSamples(state()) };
      return registry.metrics();
    },
  };
}
