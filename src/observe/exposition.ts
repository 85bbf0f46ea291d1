import { collectDefaultMetrics, Registry } from 'prom-client';
import type { PolicyCache } from '../policy/cache/cache.ts';
import type { PolicyStore } from '../policy/store.ts';
import type { Sample } from './counters.ts';
import type { GateMetrics } from './gate-metrics.ts';
import { METRICS, type MetricKey } from './metric-catalogue.ts';

/** One metric with its samples, as JSON. */
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

/** The body of `/metrics`. */
export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
  /** For a supervisor, which merges the metrics of its processes. */
  dump(): Promise<MetricDump>;
}

/** The state of a gate that is read at each scrape rather than counted. */
export interface GateState {
  cache: Pick<PolicyCache, 'size' | 'loadsInFlight' | 'stalenessBoundMs' | 'appliedPosition'>;
  store: Pick<PolicyStore, 'kind' | 'fault' | 'unusable'>;
  ready: boolean;
  draining: boolean;
  /** Sandgate's version. */
  version: string;
  /** Node's version. */
  node: string;
}

/** Every metric of the catalogue and prom-client's own metrics of the process, in Prometheus' text format. */
export function createExposition(metrics: GateMetrics, state: () => GateState): Exposition {
  const ofTheProcess = new Registry();
  collectDefaultMetrics({ register: ofTheProcess });
  return exposeSamples(async () => {
    const samples: Record<MetricKey, Sample[]> = { ...metrics.samples(), ...stateSamples(state()) };
    const ours = (Object.keys(METRICS) as MetricKey[]).map((key) => {
      const { name, help, type } = METRICS[key];
      return { name, help, type, values: samples[key] };
    });
    return [...(await samplesOf(ofTheProcess)), ...ours];
  });
}

/** Samples in Prometheus' text format, read anew for each scrape. */
export function exposeSamples(read: () => Promise<MetricJson[]>): Exposition {
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    text: async () => `${(await read()).map(metricText).join('\n\n')}\n`,
    dump: async () => ({ pid: process.pid, metrics: await read() }),
  };
}

/** The metrics of a prom-client registry. */
export async function samplesOf(registry: Registry): Promise<MetricJson[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, help, type, values }) => {
    return { name, help, type: String(type), values: values.map(plainSample) };
  });
}

/** As prom-client gives it: labels may be numbers. */
interface PromSample {
  value: number;
  labels: Partial<Record<string, string | number>>;
  metricName?: string;
}

function plainSample({ value, labels, metricName }: PromSample): Sample {
  const texts = Object.entries(labels).map(([name, label]) => [name, String(label)]);
  return { value, labels: Object.fromEntries(texts), ...(metricName !== undefined && { metricName }) };
}

/** Written here: prom-client's own metric classes would keep, and hash, every number once more. */
function metricText({ name, help, type, values }: MetricJson): string {
  const lines = values.map(({ metricName = name, labels, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text, /[\\\n"]/g)}"`);
    return `${metricName}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}`;
  });
  return [`# HELP ${name} ${escaped(help, /[\\\n]/g)}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
}

function escaped(text: string, special: RegExp): string {
  return text.replace(special, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}

function stateSamples({ cache, store, ready, draining, version, node }: GateState) {
  const one = (value: number, labels: Sample['labels'] = {}): Sample[] => [{ labels, value }];
  const { policies, negative } = cache.size();
  const { epoch, sequence } = cache.appliedPosition();
  return {
    cacheLoadsInFlight: one(cache.loadsInFlight()),
    cacheEntries: [...one(policies, { kind: 'policy' }), ...one(negative, { kind: 'negative' })],
    storeUp: one(Number(store.fault() === undefined), { store: store.kind }),
    storeUnusable: one(store.unusable()?.count ?? 0, { store: store.kind }),
    stalenessBound: one(cache.stalenessBoundMs() / 1000),
    sequence: one(sequence, { epoch }),
    ready: one(Number(ready)),
    draining: one(Number(draining)),
    build: one(1, { version, node }),
  } satisfies Partial<Record<MetricKey, Sample[]>>;
}
