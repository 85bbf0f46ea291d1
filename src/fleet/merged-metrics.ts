import type { Sample } from '../observe/counters.ts';
import { type Exposition, exposeSamples, type MetricDump, type MetricJson } from '../observe/exposition.ts';
import { FLEET_METRICS, METRICS, type MetricRow } from '../observe/metric-catalogue.ts';
import { dumpOf, type GateView } from './gate-view.ts';

type Merge = NonNullable<MetricRow['across']>;

const OURS = new Map<string, MetricRow>(Object.values(METRICS).map((row) => [row.name, row]));
const keyOf = (name: string, { metricName, labels }: Sample) =>
  `${metricName ?? name} ${JSON.stringify(labels)}`;

/**
 * Merges the metrics of several processes into one set. Counters are summed, including those of processes that have
 * ended: if the sum fell with each restart, Prometheus would count everything before it again. Gauges merge as the
 * catalogue says. Metrics of a process itself (memory, event loop) get a label `process`.
 */
export class MergedMetrics {
  /** The last dump of each process, by its number. */
  readonly #last: (MetricDump | undefined)[] = [];
  /** Counts of processes that have ended. */
  readonly #past = new Map<string, number>();

  /** `dumps`: by number of the process; undefined if it did not answer. */
  merge(dumps: readonly (MetricDump | undefined)[]): MetricJson[] {
    dumps.forEach((dump, n) => {
      if (dump === undefined) return;
      const before = this.#last[n];
      if (before !== undefined && before.pid !== dump.pid) this.#addPast(before);
      this.#last[n] = dump;
    });
    const merged = new Map<string, Merging>();
    this.#last.forEach((dump, n) => {
      for (const metric of dump?.metrics ?? []) {
        const into = merged.get(metric.name) ?? new Merging(metric, this.#past);
        merged.set(metric.name, into);
        into.add(metric, n, dumps[n] !== undefined);
      }
    });
    return [...merged.values()].map((one) => one.done());
  }

  #addPast({ metrics }: MetricDump): void {
    for (const { name, values } of metrics.filter(counts)) {
      for (const sample of values) {
        const key = keyOf(name, sample);
        this.#past.set(key, (this.#past.get(key) ?? 0) + sample.value);
      }
    }
  }
}

/** One metric, merged from every process. */
class Merging {
  readonly #metric: MetricJson;
  readonly #past: ReadonlyMap<string, number>;
  readonly #samples = new Map<string, Sample>();

  constructor(metric: MetricJson, past: ReadonlyMap<string, number>) {
    this.#metric = metric;
    this.#past = past;
  }

  /** `isCurrent`: the process has just answered. If not, only its counters are still true. */
  add(metric: MetricJson, process: number, isCurrent: boolean): void {
    const row = OURS.get(metric.name);
    if (!isCurrent && !counts(metric)) return;
    for (const sample of metric.values) {
      if (row === undefined) this.#label(sample, process);
      else this.#merge(sample, row.across ?? 'sum');
    }
  }

  done(): MetricJson {
    return { ...this.#metric, values: [...this.#samples.values()] };
  }

  #label(sample: Sample, process: number): void {
    const labelled = { ...sample, labels: { process: String(process), ...sample.labels } };
    this.#samples.set(keyOf(this.#metric.name, labelled), labelled);
  }

  #merge(sample: Sample, how: Merge): void {
    const key = keyOf(this.#metric.name, sample);
    const before = this.#samples.get(key);
    const value = before === undefined ? (this.#past.get(key) ?? 0) : before.value;
    const isFirst = before === undefined && how !== 'sum';
    const merged = isFirst ? sample.value : combine(how, value, sample.value);
    this.#samples.set(key, { ...sample, value: merged });
  }
}

function combine(how: Merge, a: number, b: number): number {
  switch (how) {
    case 'sum':
      return a + b;
    case 'max':
      return Math.max(a, b);
    case 'min':
      return Math.min(a, b);
    default:
      return how satisfies never;
  }
}

function counts({ name, type }: MetricJson): boolean {
  return type !== 'gauge' && OURS.has(name);
}

/** The metrics of all processes, and those that only their supervisor knows. */
export function fleetMetrics(gatesNow: () => readonly GateView[]): Exposition {
  const merged = new MergedMetrics();
  return exposeSamples(async () => {
    const gates = gatesNow();
    const metrics = merged.merge(await Promise.all(gates.map(dumpOf)));
    const each = (value: (gate: GateView) => number) =>
      gates.map((gate, n) => ({ labels: { process: String(n) }, value: value(gate) }));
    const up = each(({ program }) => Number(program.state.kind === 'up'));
    const ready = metrics.some(({ name, values }) => name === METRICS.ready.name && values.length > 0);
    return [
      ...metrics.filter(({ name }) => ready || name !== METRICS.ready.name),
      // If no gate answers, none of them can report that it is not ready.
      ...(ready ? [] : [{ ...METRICS.ready, values: [{ labels: {}, value: 0 }] }]),
      { ...FLEET_METRICS.up, values: up },
      { ...FLEET_METRICS.restarts, values: each(({ program }) => program.restarts) },
    ];
  });
}
