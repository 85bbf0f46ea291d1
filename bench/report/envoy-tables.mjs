import { VARIANTS } from '../envoy-variants.mjs';
import { median, spread } from '../measure/statistics.mjs';
import { figure, table, withSpread } from './markdown.mjs';

/** @typedef {import('../commands/envoy.mjs').EnvoyRun} EnvoyRun */

/** For each setting, Envoy's CPU with it minus without it, within a round. @param {EnvoyRun} run */
export function prices({ settings }) {
  const all = settings.filter(({ name }) => name === 'all');
  return VARIANTS.flatMap((variant) => {
    const without = settings.filter(({ name }) => name === variant.name);
    if (without.length === 0) return [];
    const saved = without.map((row) => (all[row.round]?.envoyUs ?? Number.NaN) - row.envoyUs);
    const gate = without.map((row) => (all[row.round]?.gateUs ?? Number.NaN) - row.gateUs);
    return [{ ...variant, envoy: spread(saved), gate: spread(gate) }];
  });
}

/** @param {EnvoyRun} run */
export function priceTable(run) {
  const head = ['setting', 'Envoy, µs per request', 'gate, µs per request', 'purpose'];
  const rows = prices(run).map(({ setting, envoy, gate, why }) => [
    setting,
    withSpread(envoy),
    withSpread(gate),
    why,
  ]);
  const all = run.settings.filter(({ name }) => name === 'all');
  const base = [
    'the whole bundled config',
    figure(median(all.map(({ envoyUs }) => envoyUs))),
    figure(median(all.map(({ gateUs }) => gateUs))),
    '',
  ];
  return table(head, [base, ...rows]);
}

/** @param {EnvoyRun} run */
export function destinationTable({ destinations }) {
  const head = ['distinct destinations', 'Envoy, µs per request', 'memory of Envoy, MB'];
  return table(
    head,
    destinations.map(({ count, envoyUs, residentMb }) => [
      figure(count),
      figure(envoyUs),
      figure(residentMb),
    ]),
  );
}
