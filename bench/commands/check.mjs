// The cost of the gate's hot path: the gate, an unobserved gate (no metrics, no decision log), and no gate.
// usage: npm run bench -- check [--rounds 5 --seconds 3 --connections 32 --against DIR --json]
// CPU is the user and system time of a process from /proc (Linux), so it hardly depends on other load on the machine.
// Throughput and latency do depend on it, and are given as the median of the rounds' ratios.
// --against DIR, another built checkout: adds its gate (`before`) and a second gate of this checkout (`again`), in 15
// rounds. The second gate shows how much two equal gates differ on this machine.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rotated } from '../measure/rotation.mjs';
import { median, spread } from '../measure/statistics.mjs';
import { comparison, comparisonText } from '../report/comparison.mjs';
import { startContenders } from '../stack/contenders.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    against: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const against = values.against === undefined ? undefined : resolve(values.against);
const roundCount = Number(values.rounds ?? (against === undefined ? 5 : 15));
const load = {
  mix: /** @type {const} */ ('allow'),
  seconds: Number(values.seconds),
  connections: Number(values.connections),
};
/**
 * @typedef {import('../stack/round.mjs').Sample} Sample
 * @typedef {{ gate: Sample, unobserved: Sample, open: Sample, before?: Sample, again?: Sample }} Round
 */
const AGAINST = /** @type {const} */ (['before', 'again']);

await inWorkspace(async (workspace) => {
  const { contenders } = await startContenders(workspace, {
    names: ['gate', 'unobserved', 'open', ...(against === undefined ? [] : AGAINST)],
    ...(against !== undefined && { against }),
    population: { s: 1, d: 0 },
  });
  // Warms up caches, connection pools and the compiler, which optimizes a gate late.
  for (const contender of contenders) await measure(contender, { ...load, seconds: 3 });
  /** @type {Record<string, Sample>[]} */
  const rounds = [];
  for (let round = 0; round < roundCount; round++) {
    /** @type {Record<string, Sample>} */
    const samples = {};
    for (const contender of rotated(contenders, round))
      samples[contender.name] = await measure(contender, load);
    rounds.push(samples);
  }
  const wrong = rounds
    .flatMap((round) => Object.values(round))
    .reduce((sum, sample) => sum + sample.wrong, 0);
  if (wrong > 0) throw new Error(`${wrong} requests got a wrong answer, so the figures are meaningless`);
  report(/** @type {Round[]} */ (rounds));
});

/** @param {Round[]} rounds */
function report(rounds) {
  /** @param {(sample: Sample) => number} pick */
  const both = (pick) => ({
    withGate: median(rounds.map((r) => pick(r.gate))),
    withoutGate: median(rounds.map((r) => pick(r.open))),
  });
  const figures = {
    rounds: rounds.length,
    ...load,
    envoyCpuUs: both((sample) => sample.envoyUs),
    gateCpuUs: median(rounds.map((r) => r.gate.gateUs)),
    unobservedGateCpuUs: median(rounds.map((r) => r.unobserved.gateUs)),
    observationRatio: spread(rounds.map((r) => r.gate.gateUs / r.unobserved.gateUs)),
    cpuRatio: spread(rounds.map((r) => (r.gate.envoyUs + r.gate.gateUs) / r.open.envoyUs)),
    requestsPerSecond: both((sample) => sample.perSecond),
    throughputRatio: spread(rounds.map((r) => r.gate.perSecond / r.open.perSecond)),
    p50Ms: both((sample) => sample.latencyMs.p50),
    p99Ms: both((sample) => sample.latencyMs.p99),
    ...(against !== undefined && { comparison: comparison(rounds.map(gateCpu)) }),
  };
  if (values.json) return console.log(JSON.stringify(figures, null, 2));
  /** @param {string} name @param {{ withGate: number, withoutGate?: number }} pair @param {number} digits */
  const row = (name, { withGate, withoutGate }, digits) =>
    console.log(
      name.padEnd(34) +
        withGate.toFixed(digits).padStart(12) +
        (withoutGate?.toFixed(digits) ?? '-').padStart(12),
    );
  console.log(''.padEnd(34) + 'with gate'.padStart(12) + 'no gate'.padStart(12));
  row('CPU of Envoy, µs per request', figures.envoyCpuUs, 1);
  row('CPU of the gate, µs per request', { withGate: figures.gateCpuUs }, 1);
  row('the same, not observed', { withGate: figures.unobservedGateCpuUs }, 1);
  row('requests per second', figures.requestsPerSecond, 0);
  row('p50, ms', figures.p50Ms, 2);
  row('p99, ms', figures.p99Ms, 2);
  /** @param {import('../measure/statistics.mjs').Spread} ratio */
  const shown = ({ median: middle, q1, q3 }) =>
    `x ${middle.toFixed(2)} (quartiles ${q1.toFixed(2)} to ${q3.toFixed(2)})`;
  console.log(
    `CPU ${shown(figures.cpuRatio)}, throughput ${shown(figures.throughputRatio)}; ` +
      `${rounds.length} interleaved rounds of ${load.seconds} s, ${load.connections} connections`,
  );
  console.log(`metrics and decision log: CPU of the gate ${shown(figures.observationRatio)}`);
  if (figures.comparison) console.log(comparisonText(figures.comparison));
}

/** @param {Round} round */
function gateCpu({ gate, before, again }) {
  return { after: gate.gateUs, before: before?.gateUs ?? Number.NaN, again: again?.gateUs ?? Number.NaN };
}
