// What the gate costs: the same Envoy config with the gate, with a gate that is not observed (no metrics, no decision
// log), and with none, in turn, within one run.
// usage: npm run bench:check [-- --rounds 5 --seconds 3 --connections 32 --json]
// CPU is user + system time of a process from /proc (Linux), so it hardly depends on what else the machine does;
// throughput and latency do, and are given as the median of each round's ratio.
import { parseArgs } from 'node:util';
import { measure } from './measure.mjs';
import { startSubjects } from './subjects.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
const load = { seconds: Number(values.seconds), connections: Number(values.connections) };

const subjects = await startSubjects((line) => console.error(line));
try {
  const { gated, unobserved, open } = subjects;
  // Caches, connection pools and the compiler warm up outside of the figures; a gate is compiled in full late.
  await measure(gated, { ...load, seconds: 3 });
  await measure(unobserved, { ...load, seconds: 3 });
  await measure(open, { ...load, seconds: 1 });
  const rounds = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    // Each goes first as often as the other: what comes second finds a warmer, or a busier, machine.
    const pair = await inTurn(round % 2 === 0 ? { gated, unobserved } : { unobserved, gated });
    rounds.push({ ...pair, open: await measure(open, load) });
  }
  const failed = rounds.flatMap((round) => Object.values(round)).reduce((sum, { failed: n }) => sum + n, 0);
  if (failed > 0) throw new Error(`${failed} requests failed: the figures would mean nothing`);
  report(rounds);
} finally {
  await subjects.stop();
}

/** @typedef {Awaited<ReturnType<typeof measure>>} Sample */
/** @typedef {{ gated: Sample, unobserved: Sample, open: Sample }} Round */

/**
 * In the order of the keys.
 * @param {{ gated: import('./subjects.mjs').Subject, unobserved: import('./subjects.mjs').Subject }} pair
 */
async function inTurn(pair) {
  /** @type {Record<string, Sample>} */
  const samples = {};
  for (const [name, subject] of Object.entries(pair)) samples[name] = await measure(subject, load);
  return /** @type {{ gated: Sample, unobserved: Sample }} */ (samples);
}

/** @param {Round[]} rounds */
function report(rounds) {
  /** @param {(round: Round) => number} pick */
  const mid = (pick) => median(rounds.map(pick));
  const observation = rounds.map((r) => r.gated.gateUs / r.unobserved.gateUs).sort((a, b) => a - b);
  const figures = {
    rounds: rounds.length,
    ...load,
    envoyCpuUs: { withGate: mid((r) => r.gated.envoyUs), withoutGate: mid((r) => r.open.envoyUs) },
    gateCpuUs: mid((r) => r.gated.gateUs),
    unobservedGateCpuUs: mid((r) => r.unobserved.gateUs),
    observationRatio: { median: median(observation), from: observation[0], to: observation.at(-1) },
    cpuRatio: mid((r) => (r.gated.envoyUs + r.gated.gateUs) / r.open.envoyUs),
    requestsPerSecond: { withGate: mid((r) => r.gated.perSecond), withoutGate: mid((r) => r.open.perSecond) },
    throughputRatio: mid((r) => r.gated.perSecond / r.open.perSecond),
    p50Ms: { withGate: mid((r) => r.gated.p50), withoutGate: mid((r) => r.open.p50) },
    p99Ms: { withGate: mid((r) => r.gated.p99), withoutGate: mid((r) => r.open.p99) },
  };
  if (values.json) return console.log(JSON.stringify(figures, null, 2));
  /** @param {string} name @param {string} a @param {string} b */
  const row = (name, a, b) => console.log(name.padEnd(34) + a.padStart(12) + b.padStart(12));
  row('', 'with gate', 'no gate');
  row(
    'CPU of Envoy, µs per request',
    figures.envoyCpuUs.withGate.toFixed(1),
    figures.envoyCpuUs.withoutGate.toFixed(1),
  );
  row('CPU of the gate, µs per request', figures.gateCpuUs.toFixed(1), '-');
  row('the same, not observed', figures.unobservedGateCpuUs.toFixed(1), '-');
  row(
    'requests per second',
    figures.requestsPerSecond.withGate.toFixed(0),
    figures.requestsPerSecond.withoutGate.toFixed(0),
  );
  row('p50, ms', figures.p50Ms.withGate.toFixed(2), figures.p50Ms.withoutGate.toFixed(2));
  row('p99, ms', figures.p99Ms.withGate.toFixed(2), figures.p99Ms.withoutGate.toFixed(2));
  console.log(
    `CPU ratio ${figures.cpuRatio.toFixed(2)}, throughput ratio ${figures.throughputRatio.toFixed(2)}; ` +
      `medians of ${rounds.length} interleaved rounds of ${load.seconds} s, ${load.connections} connections`,
  );
  console.log(
    `metrics and decision log: CPU of the gate x ${median(observation).toFixed(3)} ` +
      `(rounds from ${observation[0]?.toFixed(3)} to ${observation.at(-1)?.toFixed(3)})`,
  );
}

/** @param {number[]} numbers */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
