// The cost of this checkout's Envoy config compared with others, for GET and POST: CPU of Envoy and latency, with the same
// gate and the same sandbox.
// usage: npm run bench -- routing [--against DIR] [--without access-log] [--rounds 15 --seconds 3 --connections 32 --json]
// Each round measures `bundled` (this config), `again` (the same in a second Envoy, which shows how much two equal Envoys
// differ on this machine), `against` (DIR's envoy/envoy.yaml) and one for each `--without` (a name in envoy-variants.mjs),
// in a changing order. Ratios are taken within a round.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROUTING, VARIANTS } from '../envoy-variants.mjs';
import { rotated } from '../measure/rotation.mjs';
import { median, spread } from '../measure/statistics.mjs';
import { figure, table, withSpread } from '../report/markdown.mjs';
import { answerAfterBody } from '../stack/envoy-edits.mjs';
import { envoysIn } from '../stack/envoys.mjs';
import { startOneGate } from '../stack/gates.mjs';
import { LOAD_CORE, MEASURED_CORE } from '../stack/pinning.mjs';
import { TOKEN } from '../stack/policies.mjs';
import { systemSeconds } from '../stack/processor-time.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    without: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
const variants = [...ROUTING, ...VARIANTS];
const unknown = values.without.filter((wanted) => !variants.some(({ name }) => name === wanted));
if ((values.against === undefined && values.without.length === 0) || unknown.length > 0) {
  console.error(`usage: npm run bench -- routing [--against DIR, a checkout with the config to compare with]
  [--without ${variants.map(({ name }) => name).join(' | ')}]`);
  process.exit(2);
}
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const MIXES = /** @type {const} */ (['allow', 'post']);

/**
 * @typedef {import('../stack/round.mjs').Sample & { systemUs: number }} Sample `systemUs` is a part of `envoyUs`.
 * @typedef {{ envoyUs: number, systemUs: number, p50Ms: number, bundledOverThis: import('../measure/statistics.mjs').Spread }} Figures
 * @typedef {Omit<Parameters<import('../stack/envoys.mjs').Envoys['start']>[1], 'gates' | 'core'>} Change
 */

/** @type {Record<string, Change>} */
const changes = { bundled: {}, again: {} };
if (values.against !== undefined) {
  changes.against = { config: readFileSync(join(resolve(values.against), 'envoy', 'envoy.yaml'), 'utf8') };
}
for (const { name, without } of variants) {
  if (values.without.includes(name)) changes[`without ${name}`] = { edit: without };
}

await inWorkspace(async (workspace) => {
  const envoys = await envoysIn(workspace);
  const sandbox = await envoys.start('sandbox', { edit: answerAfterBody, core: LOAD_CORE });
  const gate = await startOneGate(workspace, { core: MEASURED_CORE });
  const target = () => ({ port: sandbox.port, token: TOKEN, gated: true });
  const contenders = [];
  for (const [name, change] of Object.entries(changes)) {
    const envoy = await envoys.start(name, { ...change, gates: [gate.socket], core: MEASURED_CORE });
    await envoy.waitForGate(20_000);
    contenders.push({ name, envoy: envoy.pid, gate: gate.pid, port: envoy.port, target });
  }

  /** @type {Record<string, Record<string, Figures>>} */
  const figures = {};
  for (const mix of MIXES) {
    const load = { mix, seconds, connections };
    for (const one of contenders) await measure(one, { ...load, seconds: Math.min(3, seconds) });
    /** @type {Record<string, Sample>[]} */
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      /** @type {Record<string, Sample>} */
      const samples = {};
      for (const one of rotated(contenders, round)) {
        const before = systemSeconds(one.envoy);
        const sample = await measure(one, load);
        const systemUs = ((systemSeconds(one.envoy) - before) / sample.requests) * 1e6;
        samples[one.name] = { ...sample, systemUs };
      }
      rounds.push(samples);
    }
    const wrong = rounds
      .flatMap((round) => Object.values(round))
      .reduce((sum, sample) => sum + sample.wrong, 0);
    if (wrong > 0) throw new Error(`${wrong} requests got a wrong answer, so the figures are meaningless`);
    /** @param {string} name @param {(sample: Sample) => number} pick */
    const of = (name, pick) => rounds.map((samples) => pick(/** @type {Sample} */ (samples[name])));
    const cpu = (/** @type {Sample} */ sample) => sample.envoyUs;
    figures[mix] = Object.fromEntries(
      contenders.map(({ name }) => [
        name,
        {
          envoyUs: median(of(name, cpu)),
          systemUs: median(of(name, (sample) => sample.systemUs)),
          p50Ms: median(of(name, (sample) => sample.latencyMs.p50)),
          bundledOverThis: spread(of('bundled', cpu).map((us, n) => us / (of(name, cpu)[n] ?? 0))),
        },
      ]),
    );
  }
  if (values.json) return console.log(JSON.stringify({ rounds: Number(values.rounds), figures }, null, 2));
  for (const [mix, byConfig] of Object.entries(figures)) {
    console.log(`\n${mix}, ${values.rounds} rounds of ${seconds} s`);
    const rows = Object.entries(byConfig).map(([name, { envoyUs, systemUs, p50Ms, bundledOverThis }]) => [
      name,
      ...[envoyUs, systemUs, p50Ms].map(figure),
      withSpread(bundledOverThis),
    ]);
    console.log(table(['config', 'Envoy, µs', 'of which system', 'p50, ms', 'bundled over this'], rows));
  }
});
