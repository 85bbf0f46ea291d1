import { costs, latencies } from './figures.mjs';
import { table } from './markdown.mjs';

/** The findings of a run, for a terminal. @param {import('../commands/run.mjs').Run} run */
export function summary(run) {
  const { machine } = run;
  const line = `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}, Envoy ${machine.envoy}, ${machine.pinned ? 'pinned' : 'not pinned'}, load ${machine.load}`;
  return [line, table(...costs(run)), table(...latencies(run))].join('\n\n');
}
