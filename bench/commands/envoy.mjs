// The cost of each setting of the bundled Envoy config: an Envoy without it is compared with one with all settings. Also
// measures how Envoy grows with the number of destinations.
// usage: npm run bench -- envoy [--quick --only access-log --publish]
// Raw figures go to bench/results/envoy.json; --publish writes them to bench/published/ and draws envoy/README.md.
import { parseArgs } from 'node:util';
import { VARIANTS } from '../envoy-variants.mjs';
import { progress } from '../measure/progress.mjs';
import { rotated } from '../measure/rotation.mjs';
import { destinationTable, priceTable } from '../report/envoy-tables.mjs';
import { writePages } from '../report/pages.mjs';
import { saveResults } from '../results.mjs';
import { answerAtOnce } from '../stack/envoy-edits.mjs';
import { envoysIn } from '../stack/envoys.mjs';
import { startOneGate } from '../stack/gates.mjs';
import { machine } from '../stack/machine.mjs';
import { LOAD_CORE, MEASURED_CORE } from '../stack/pinning.mjs';
import { TOKEN } from '../stack/policies.mjs';
import { residentMb } from '../stack/processor-time.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const plan = values.quick
  ? { rounds: 1, seconds: 1, destinations: [1, 1000, 5000] }
  : { rounds: 7, seconds: 3, destinations: [1, 1000, 5000, 10_000, 20_000] };

/**
 * @typedef {{ name: string, round: number } & import('../stack/round.mjs').Sample} SettingRow
 * @typedef {{ count: number, envoyUs: number, residentMb: number, wrong: number }} DestinationRow
 * @typedef {{ kind: 'envoy', machine: import('../stack/machine.mjs').Machine, quick: boolean, plan: typeof plan, settings: SettingRow[], destinations: DestinationRow[] }} EnvoyRun
 */

await inWorkspace(async (workspace) => {
  const variants = VARIANTS.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
  const envoys = await envoysIn(workspace);
  const sandbox = await envoys.start('sandbox', { edit: answerAtOnce, core: LOAD_CORE });
  const gate = await startOneGate(workspace, {
    core: MEASURED_CORE,
    sandboxes: { s: 1, d: Math.max(...plan.destinations) },
  });

  /** @param {string} name @param {(config: import('../stack/envoys.mjs').Config) => void} [edit] */
  const contender = async (name, edit) => {
    const envoy = await envoys.start(name, {
      gates: [gate.socket],
      core: MEASURED_CORE,
      ...(edit && { edit }),
    });
    await envoy.waitForGate(20_000);
    const target = () => ({ port: sandbox.port, token: TOKEN, gated: true });
    return { name, envoy: envoy.pid, gate: gate.pid, port: envoy.port, target };
  };
  const all = [await contender('all')];
  for (const { name, without } of variants) all.push(await contender(name, without));

  const from = machine(envoys.version);
  const steps = progress(plan.rounds * all.length + plan.destinations.length);
  // Warm-up: the compiler optimizes the gate late.
  for (const one of [all[0], ...all])
    if (one) await measure(one, { mix: 'allow', seconds: values.quick ? 0.5 : 3, connections: 32 });
  /** @type {SettingRow[]} */
  const settings = [];
  for (let round = 0; round < plan.rounds; round++) {
    for (const one of rotated(all, round)) {
      steps.step(one.name === 'all' ? 'the bundled config' : `without ${one.name}`);
      const sample = await measure(one, { mix: 'allow', seconds: plan.seconds, connections: 32 });
      settings.push({ name: one.name, round, ...sample });
    }
  }

  /** @type {DestinationRow[]} */
  const destinations = [];
  for (const count of plan.destinations) {
    steps.step(`${count} destinations`);
    // A new Envoy, because Envoy does not release memory.
    const fresh = await contender(`destinations-${count}`);
    const load = /** @type {const} */ ({ mix: 'destinations', connections: 32 });
    // Long enough to use each destination once; Envoy drops one after 5 to 10 s without a request.
    const sample = await measure(fresh, {
      ...load,
      ids: count,
      seconds: Math.max(plan.seconds, count / 1000),
    });
    const { envoyUs, wrong } = sample;
    destinations.push({ count, envoyUs, residentMb: residentMb(fresh.envoy), wrong });
  }
  const wrong = [...settings, ...destinations].reduce((sum, row) => sum + row.wrong, 0);
  if (wrong > 0) throw new Error(`${wrong} requests got a wrong answer, so the figures are meaningless`);

  /** @type {EnvoyRun} */
  const run = { kind: 'envoy', machine: from, quick: values.quick, plan, settings, destinations };
  console.error(`raw figures: ${saveResults('envoy', run, values.publish)}`);
  console.log(`${priceTable(run)}\n\n${destinationTable(run)}`);
  if (values.publish) writePages();
});
