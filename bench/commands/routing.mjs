// The cost of this checkout's Envoy config compared with another one's, for GET and POST: CPU of Envoy and latency, with
// the same gate and the same sandbox.
// usage: npm run bench -- routing --against DIR [--rounds 15 --seconds 3 --connections 32 --json]
// Each round measures `before` (DIR's envoy/envoy.yaml), `after` (this one) and `again` (this one in a second Envoy, which
// shows how much two equal Envoys differ on this machine), in a changing order. Ratios are taken within a round.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { rotated } from '../measure/rotation.mjs';
import { median, spread } from '../measure/statistics.mjs';
import { answerAfterBody } from '../stack/envoy-edits.mjs';
import { envoysIn } from '../stack/envoys.mjs';
import { gateFlags, SERVE, startProgram } from '../stack/gates.mjs';
import { LOAD_CORE, MEASURED_CORE } from '../stack/pinning.mjs';
import { TOKEN, writePolicies } from '../stack/policies.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    rounds: { type: 'string', default: '15' },
    seconds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    json: { type: 'boolean', default: false },
  },
});
if (values.against === undefined) {
  console.error('usage: npm run bench -- routing --against DIR, a checkout with the config to compare with');
  process.exit(2);
}
const before = readFileSync(join(resolve(values.against), 'envoy', 'envoy.yaml'), 'utf8');
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const MIXES = /** @type {const} */ (['allow', 'post']);

/** @typedef {import('../stack/round.mjs').Sample} Sample */

await inWorkspace(async (workspace) => {
  const { dir, undo } = workspace;
  const envoys = await envoysIn(workspace);
  const sandbox = await envoys.start('sandbox', { edit: answerAfterBody, core: LOAD_CORE });
  const stateDir = join(dir, 'state');
  const socket = join(dir, 'check', 'gate.sock');
  await writePolicies(stateDir, 's', 1);
  const gate = await startProgram(
    [...SERVE, ...gateFlags(stateDir, socket)],
    join(dir, 'gate.log'),
    MEASURED_CORE,
  );
  undo(gate.kill);
  const contenders = [];
  for (const [name, config] of Object.entries({ before, after: undefined, again: undefined })) {
    const options = { gates: [socket], core: MEASURED_CORE, ...(config !== undefined && { config }) };
    const envoy = await envoys.start(name, options);
    await envoy.waitForGate(20_000);
    const target = () => ({ port: sandbox.port, token: TOKEN, gated: true });
    contenders.push({ name, envoy: envoy.pid, gate: gate.pid, port: envoy.port, target });
  }

  /** @type {Record<string, Record<string, unknown>>} */
  const figures = {};
  for (const mix of MIXES) {
    const load = { mix, seconds, connections };
    for (const one of contenders) await measure(one, { ...load, seconds: Math.min(3, seconds) });
    /** @type {Record<string, Sample>[]} */
    const rounds = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      /** @type {Record<string, Sample>} */
      const samples = {};
      for (const one of rotated(contenders, round)) samples[one.name] = await measure(one, load);
      rounds.push(samples);
    }
    const wrong = rounds
      .flatMap((round) => Object.values(round))
      .reduce((sum, sample) => sum + sample.wrong, 0);
    if (wrong > 0) throw new Error(`${wrong} requests got a wrong answer, so the figures are meaningless`);
    /** @param {string} name @param {(sample: Sample) => number} pick */
    const of = (name, pick) => rounds.map((samples) => pick(/** @type {Sample} */ (samples[name])));
    /** @param {string} name @param {string} base @param {(sample: Sample) => number} pick */
    const ratio = (name, base, pick) =>
      spread(of(name, pick).map((value, n) => value / (of(base, pick)[n] ?? 0)));
    const us = (/** @type {Sample} */ sample) => sample.envoyUs;
    const p50 = (/** @type {Sample} */ sample) => sample.latencyMs.p50;
    figures[mix] = {
      rounds: rounds.length,
      envoyUs: {
        before: median(of('before', us)),
        after: median(of('after', us)),
        again: median(of('again', us)),
      },
      cpuAfterOverBefore: ratio('after', 'before', us),
      cpuAgainOverAfter: ratio('again', 'after', us),
      p50Ms: { before: median(of('before', p50)), after: median(of('after', p50)) },
    };
  }
  if (values.json) return console.log(JSON.stringify(figures, null, 2));
  for (const [mix, figure] of Object.entries(figures)) console.log(mix, JSON.stringify(figure, null, 2));
});
