import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { GateMetrics } from './gate-metrics.ts';
import { type GateState, stateSamples } from './gate-state.ts';
import { METRICS, type MetricKey } from './metric-catalogue.ts';
import type { Sample } from './tally.ts';

/** One metric with its numbers, as JSON. */
export interface MetricJson {
  name: string;
  help: string;
  type: string;
  values: Sample[];
}

/** All metrics of one process. */
export interface MetricDump {
  pid: number;
  metrics: MetricJson[];
}

/** What `/metrics` answers. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
  /** For a supervisor, which merges those of its processes. */
  dump(): Promise<MetricDump>;
}

/** Everything in the catalogue, and prom-client's own metrics of the process, in Prometheus' text format. */
export function createExposition(metrics: GateMetrics, state: () => GateState): Exposition {
  const ofTheProcess = new Registry();
  collectDefaultMetrics({ register: ofTheProcess });
  return exposeSamples(async () => {
    const samples: Record<MetricKey, Sample[]> = { ...metrics.samples(), ...stateSamples(state()) };
    const ours = (Object.keys(METRICS) as MetricKey[]).map((key) => {
      const { name, help, type } = METRICS[key];
      return { name, help, type, values: samples[key] };
    });
    return [...((await ofTheProcess.getMetricsAsJSON()) as unknown as MetricJson[]), ...ours];
  });
}

/** Samples in Prometheus' text format, read anew for each scrape. */
export function exposeSamples(read: () => Promise<MetricJson[]>): Exposition {
  return {
    contentType: new Registry().contentType,
    async text() {
      const registry = new Registry();
      for (const metric of await read()) {
        // All that a registry asks of a metric: prom-client's own classes would keep, and hash, the numbers once more.
        registry.registerMetric({ name: metric.name, get: async () => metric } as unknown as Metric);
      }
      return registry.metrics();
    },
    dump: async () => ({ pid: process.pid, metrics: await read() }),
  };
}
