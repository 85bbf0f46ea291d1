import { type Exposition, exposeSamples } from '../observe/exposition.ts';
import { FLEET_METRICS, METRICS } from '../observe/metric-catalogue.ts';
import { dumpOf, type GateView } from './gate-view.ts';
import { MergedMetrics } from './merged-metrics.ts';

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
