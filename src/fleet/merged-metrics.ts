import type { Sample } from '../observe/counters.ts';
import { type Exposition, exposeSamples, type MetricDump, type MetricJson } from '../observe/exposition.ts';
import { FLEET_METRICS, METRICS, type MetricRow } from '../observe/metric-catalogue.ts';
import { dumpOf, type GateView } from './gate-view.ts';

type Merge = NonNullable<MetricRow['across']>;

const OURS = new Map<string, MetricRow>(Object.values(METRICS).map((row) => [row.name, row]));
const keyOf = (name: string, { metricName, labels }: Sample) =>
  `${metricName ?? name} ${JSON.stringify(labels)}`;

/**
 * One set of metrics out of those of several processes. What counts up is summed, over past lives too: a sum that fell
 * with each restart would look to Prometheus as if everything before had been counted once more. Gauges merge as the
 * catalogue says; what is of a process itself (memory, event loop) gets a label `process`.
 */
export class MergedMetrics {
  /** By number of the process, the last that it said. */
  readonly #last: (MetricDump | undefined)[] = [];
  /** What ended processes had counted. */
  readonly #past = new Map<string, number>();

  /** `dumps`: by number of the process; undefined where it did not answer. */
  merge(dumps: readonly (MetricDump | undefined)[]): MetricJson[] {
    dumps.forEach((dump, n) => {
      if (dump === undefined) return;
      const before = this.#last[n];
      if (before !== undefined && before.pid !== dump.pid) this.#bury(before);
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

  #bury({ metrics }: MetricDump): void {
    for (const { name, values } of metrics.filter(counts)) {
      for (const sample of values) {
        const key = keyOf(name, sample);
        this.#past.set(key, (this.#past.get(key) ?? 0) + sample.value);
      }
    }
  }
}

/** One metric of which each process has its own. */
class Merging {
  readonly #metric: MetricJson;
  readonly #past: ReadonlyMap<string, number>;
  readonly #samples = new Map<string, Sample>();

  constructor(metric: MetricJson, past: ReadonlyMap<string, number>) {
    this.#metric = metric;
    this.#past = past;
  }

  /** `isNow`: the process lives; of one that does not, only what it counted is still true. */
  add(metric: MetricJson, process: number, isNow: boolean): void {
    const row = OURS.get(metric.name);
    if (!isNow && !counts(metric)) return;
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

/** One scrape for all processes, with what only their supervisor knows. */
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
      // Nobody is there to say that nobody is ready.
      ...(ready ? [] : [{ ...METRICS.ready, values: [{ labels: {}, value: 0 }] }]),
      { ...FLEET_METRICS.up, values: up },
      { ...FLEET_METRICS.restarts, values: each(({ program }) => program.restarts) },
    ];
  });
}
