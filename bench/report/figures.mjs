import { MIXES } from '../client/mixes.mjs';
import { median, spread } from '../measure/statistics.mjs';
import { figure, withSpread } from './markdown.mjs';

/**
 * @typedef {import('../commands/run.mjs').Run} Run
 * @typedef {import('../commands/run.mjs').Row} Row
 */

const NAMES = /** @type {Record<string, string>} */ ({ open: 'no gate', gate: 'Sandgate', floor: 'floor' });

/** @param {string} contender */
export function nameOf(contender) {
  return NAMES[contender] ?? contender;
}

/** In the order of the run. @param {readonly Row[]} rows */
export function contendersOf(rows) {
  return [...new Set(rows.map(({ contender }) => contender))];
}

/**
 * What each contender costs in each mix: a table's head and rows. Differences and ratios are taken within a round.
 * @param {Run} run @returns {[string[], string[][]]}
 */
export function costs({ closed }) {
  const head = [
    'mix',
    'contender',
    'Envoy, µs',
    'gate, µs',
    'added, µs',
    'CPU ratio',
    'requests/s',
    'busy',
    'p50, ms',
    'p99, ms',
  ];
  const mixes = [...new Set(closed.map(({ mix }) => mix))];
  const rows = mixes.flatMap((mix) =>
    contendersOf(closed.filter((row) => row.mix === mix)).map((contender) => {
      const samples = samplesOf(closed, mix, contender);
      /** @param {(row: Row) => number} pick */
      const mid = (pick) => figure(median(samples.map(pick)));
      const against = pairs(closed, mix, contender, 'open');
      const isOpen = contender === 'open';
      return [
        MIXES[mix].title,
        nameOf(contender),
        mid((row) => row.envoyUs),
        isOpen ? '-' : mid((row) => row.gateUs),
        isOpen ? '-' : withSpread(spread(against.map(([own, open]) => cpuUs(own) - cpuUs(open)))),
        isOpen ? '1' : withSpread(spread(against.map(([own, open]) => cpuUs(own) / cpuUs(open)))),
        mid((row) => row.perSecond),
        `${figure(100 * median(samples.map((row) => row.busy)))} %`,
        mid((row) => row.latencyMs.p50),
        mid((row) => row.latencyMs.p99),
      ];
    }),
  );
  return [head, rows];
}

/**
 * Latency of the open loop at each share of the capacity.
 * @param {Run} run @returns {[string[], string[][]]}
 */
export function latencies({ open }) {
  const head = [
    'share of capacity',
    'requests/s',
    'contender',
    'p50, ms',
    'p90, ms',
    'p99, ms',
    'p99.9, ms',
    'added p50',
    'added p99',
  ];
  const shares = [...new Set(open.map(({ share }) => share ?? 0))];
  const rows = shares.flatMap((share) =>
    contendersOf(open).map((contender) => {
      const at = open.filter((row) => row.share === share);
      const samples = samplesOf(at, 'allow', contender);
      /** @param {'p50' | 'p90' | 'p99' | 'p999'} name */
      const mid = (name) => figure(median(samples.map(({ latencyMs }) => latencyMs[name])));
      /** @param {'p50' | 'p99'} name */
      const added = (name) =>
        contender === 'open' ? '-' : withSpread(spread(addedLatency(at, contender, name)));
      return [
        `${share * 100} %`,
        figure(median(samples.map(({ perSecond }) => perSecond))),
        nameOf(contender),
        mid('p50'),
        mid('p90'),
        mid('p99'),
        mid('p999'),
        added('p50'),
        added('p99'),
      ];
    }),
  );
  return [head, rows];
}

/** The cost of a gate in front of 1,000 requests/s, in vCPU, and its relation to the floor. @param {Run} run */
export function headline({ closed, open, capacity }) {
  const added = spread(
    pairs(closed, 'allow', 'gate', 'open').map(([gate, none]) => cpuUs(gate) - cpuUs(none)),
  );
  const half = open.filter(({ share }) => share === 0.5);
  return {
    capacity,
    addedUs: added,
    // 1,000 requests/s of 1 µs each use a thousandth of a core.
    vcpuAdded: added.median / 1000,
    vcpuGate: median(samplesOf(closed, 'allow', 'gate').map(({ gateUs }) => gateUs)) / 1000,
    vcpuEnvoy: median(samplesOf(closed, 'allow', 'gate').map(({ envoyUs }) => envoyUs)) / 1000,
    vcpuOpen: median(samplesOf(closed, 'allow', 'open').map(cpuUs)) / 1000,
    overFloor: spread(
      pairs(closed, 'allow', 'gate', 'floor').map(([gate, floor]) => gate.gateUs / floor.gateUs),
    ),
    p50Added: spread(addedLatency(half, 'gate', 'p50')),
    p99Added: spread(addedLatency(half, 'gate', 'p99')),
  };
}

/** Added latency of each round, compared with no gate in the same round. @param {readonly Row[]} rows @param {string} contender @param {'p50' | 'p99'} name */
function addedLatency(rows, contender, name) {
  return pairs(rows, 'allow', contender, 'open').map(
    ([own, open]) => own.latencyMs[name] - open.latencyMs[name],
  );
}

/** @param {readonly Row[]} rows @param {string} mix @param {string} contender */
export function samplesOf(rows, mix, contender) {
  return rows.filter((row) => row.mix === mix && row.contender === contender);
}

/** Samples of two contenders from the same rounds. @param {readonly Row[]} rows @param {string} mix @param {string} one @param {string} other */
export function pairs(rows, mix, one, other) {
  return samplesOf(rows, mix, one).flatMap((row) => {
    const twin = samplesOf(rows, mix, other).find(({ round }) => round === row.round);
    return twin === undefined ? [] : [/** @type {const} */ ([row, twin])];
  });
}

/** @param {Row} row */
export function cpuUs({ envoyUs, gateUs }) {
  return envoyUs + gateUs;
}
