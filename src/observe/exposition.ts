import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import type { PolicyCache } from '../policy/cache/cache.ts';
import type { PolicyStore } from '../policy/store.ts';
import type { Sample } from './counters.ts';
import type { GateMetrics } from './gate-metrics.ts';
import { METRICS, type MetricKey } from './metric-catalogue.ts';

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

/** What is read of a gate when somebody asks, rather than counted. */
export interface GateState {
  cache: Pick<PolicyCache, 'size' | 'loadsInFlight' | 'stalenessBoundMs' | 'appliedPosition'>;
  store: Pick<PolicyStore, 'kind' | 'fault'>;
  ready: boolean;
  draining: boolean;
  /** Sandgate's own, and Node's. */
  version: string;
  node: string;
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

function stateSamples({ cache, store, ready, draining, version, node }: GateState) {
  const one = (value: number, labels: Sample['labels'] = {}): Sample[] => [{ labels, value }];
  const { known, brief } = cache.size();
  const { epoch, sequence } = cache.appliedPosition();
  return {
    cacheLoadsInFlight: one(cache.loadsInFlight()),
    cacheEntries: [...one(known, { kind: 'policy' }), ...one(brief, { kind: 'brief' })],
    storeUp: one(Number(store.fault() === undefined), { store: store.kind }),
    stalenessBound: one(cache.stalenessBoundMs() / 1000),
    sequence: one(sequence, { epoch }),
    ready: one(Number(ready)),
    draining: one(Number(draining)),
    build: one(1, { version, node }),
  } satisfies Partial<Record<MetricKey, Sample[]>>;
}
