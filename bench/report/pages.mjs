import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishedResults } from '../results.mjs';
import { root } from '../stack/workspace.mjs';
import { destinationTable, priceTable } from './envoy-tables.mjs';
import { costs, headline, latencies } from './figures.mjs';
import { loadTable } from './load-table.mjs';
import { figure, fillIn, table, withSpread } from './markdown.mjs';
import { costPlot, destinationPlot, latencyPlot, pricePlot, scalePlot } from './plots.mjs';
import { scaleTable } from './scale-table.mjs';

/** Writes pages and plots, named by their path in the checkout. @returns {string[]} The files written. */
export function writePages() {
  const published = everythingPublished();
  /** @type {Record<string, string>} */
  const files = {
    'docs/performance.md': fillIn(read('docs/performance.md'), performanceParts(published)),
    'envoy/README.md': fillIn(read('envoy/README.md'), envoyParts(published)),
  };
  const { run, envoy, scale } = published;
  if (run) files['docs/performance/cost.svg'] = costPlot(run);
  if (run) files['docs/performance/latency.svg'] = latencyPlot(run);
  if (envoy) files['docs/performance/settings.svg'] = pricePlot(envoy);
  if (envoy) files['docs/performance/destinations.svg'] = destinationPlot(envoy);
  if (scale) files['docs/performance/scale.svg'] = scalePlot(scale);
  mkdirSync(join(root, 'docs', 'performance'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  return Object.keys(files);
}

/**
 * @typedef {{ run?: import('../commands/run.mjs').Run, envoy?: import('../commands/envoy.mjs').EnvoyRun, scale?: import('../commands/scale.mjs').ScaleRun, load?: import('../commands/load.mjs').LoadRun }} Published
 * @returns {Published}
 */
export function everythingPublished() {
  const names = /** @type {const} */ (['run', 'envoy', 'scale', 'load']);
  return Object.fromEntries(names.map((name) => [name, publishedResults(name)]));
}

const NOTHING = 'No figures are published.';

/** The texts between the markers of docs/performance.md. @param {Published} published @returns {Record<string, string>} */
export function performanceParts({ run, envoy, scale, load }) {
  return {
    headline: run ? headlineText(run) : NOTHING,
    costs: run ? `![CPU per request](performance/cost.svg)\n\n${table(...costs(run))}` : NOTHING,
    latency: run
      ? `![Latency at shares of the capacity](performance/latency.svg)\n\n${table(...latencies(run))}`
      : NOTHING,
    scale: scale
      ? `![Growth with the number of policies](performance/scale.svg)\n\n${scaleTable(scale)}\n\n${machineLine(scale.machine)}`
      : NOTHING,
    load: load ? `${loadTable(load)}\n\n${machineLine(load.machine)}` : NOTHING,
    destinations: envoy
      ? `![Envoy and the number of destinations](performance/destinations.svg)\n\n${destinationTable(envoy)}`
      : NOTHING,
  };
}

/** The texts between the markers of envoy/README.md. @param {Published} published @returns {Record<string, string>} */
export function envoyParts({ envoy }) {
  if (envoy === undefined) return { prices: NOTHING };
  const plot = '![Price of each setting](../docs/performance/settings.svg)';
  return { prices: `${plot}\n\n${priceTable(envoy)}\n\n${machineLine(envoy.machine)}` };
}

/** @param {import('../commands/run.mjs').Run} run */
function headlineText(run) {
  const { capacity, addedUs, vcpuAdded, vcpuGate, vcpuEnvoy, vcpuOpen, overFloor, p50Added, p99Added } =
    headline(run);
  const rows = [
    ['**vCPU added in total**', `**${figure(vcpuAdded)}**`],
    ['used by the gate', figure(vcpuGate)],
    ['used by Envoy with the gate', figure(vcpuEnvoy)],
    ['used by Envoy without a gate', figure(vcpuOpen)],
    ['added CPU per request, µs', withSpread(addedUs)],
    ['added latency at half the capacity, p50, ms', withSpread(p50Added)],
    ['added latency at half the capacity, p99, ms', withSpread(p99Added)],
    ['CPU of the gate relative to the floor (grpc-js itself)', `x ${withSpread(overFloor)}`],
    ['capacity of one core shared by Envoy and the gate, requests/s', figure(capacity)],
  ];
  return `${table(['at 1,000 requests/s', ''], rows)}\n\n${machineLine(run.machine)}`;
}

/** @param {import('../stack/machine.mjs').Machine} machine */
export function machineLine({ cpu, cores, memoryGb, kernel, node, envoy, pinned, load, at }) {
  const parts = [`${cpu}, ${cores} cores, ${memoryGb} GB`, `Linux ${kernel}`, `Node ${node}`];
  if (envoy !== 'none') parts.push(`Envoy ${envoy}`);
  parts.push(pinned ? 'pinned cores' : 'no pinned cores', `load average before ${load}`, at.slice(0, 10));
  return `Measured on: ${parts.join('; ')}.`;
}

/** @param {string} name */
function read(name) {
  return readFileSync(join(root, name), 'utf8');
}
