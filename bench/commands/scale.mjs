// How a gate grows with its store: start time, memory, look-ups, from 1,000 to 1,000,000 policies.
// usage: npm run bench -- scale [--quick --publish]
// Raw figures go to bench/results/scale.json; --publish writes them to bench/published/ and draws docs/performance.md.
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { progress } from '../measure/progress.mjs';
import { median } from '../measure/statistics.mjs';
import { writePages } from '../report/pages.mjs';
import { scaleTable } from '../report/scale-table.mjs';
import { saveResults } from '../results.mjs';
import { gateFlags, SERVE, startProgram } from '../stack/gates.mjs';
import { machine } from '../stack/machine.mjs';
import { writePolicies } from '../stack/policies.mjs';
import { residentMb } from '../stack/processor-time.mjs';
import { warmUp } from '../stack/warm-up.mjs';
import { inWorkspace, root } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, publish: { type: 'boolean', default: false } },
});
const plan = values.quick
  ? { sizes: [1000, 10_000], hot: 10_000, starts: 1 }
  : { sizes: [1000, 10_000, 100_000, 1_000_000], hot: 100_000, starts: 5 };

/**
 * @typedef {import('../measure/statistics.mjs').Percentiles} Percentiles
 * @typedef {{ policies: number, hot: number, storeMb: number, writeSeconds: number, startMs: number, startedMb: number, hotMb: number, coldUs: Percentiles, hotUs: Percentiles }} ScaleRow
 * `startedMb`, `hotMb`: memory of a gate after its start, and with the hot policies cached.
 * @typedef {{ kind: 'scale', machine: import('../stack/machine.mjs').Machine, quick: boolean, plan: typeof plan, rows: ScaleRow[] }} ScaleRun
 */

await inWorkspace(async ({ dir, undo }) => {
  const from = machine('none');
  const steps = progress(plan.sizes.length * 3);
  const stateDir = join(dir, 'state');
  /** @type {ScaleRow[]} */
  const rows = [];
  let there = 0;
  let writeSeconds = 0;
  for (const policies of plan.sizes) {
    steps.step(`writing policies up to ${policies}`);
    const started = performance.now();
    await writePolicies(stateDir, 's', policies, there);
    writeSeconds += (performance.now() - started) / 1000;
    there = policies;
    const hot = Math.min(plan.hot, policies);

    steps.step(`a gate over ${policies}`);
    const socket = join(dir, 'check', 'gate.sock');
    const program = [...SERVE, ...gateFlags(stateDir, socket)];
    /** @type {number[]} */
    const starts = [];
    for (let n = 1; n < plan.starts; n++) {
      const gate = await startProgram(program, join(dir, 'gate.log'), undefined);
      starts.push(gate.readyMs);
      await gate.kill();
    }
    const gate = await startProgram(program, join(dir, 'gate.log'), undefined);
    undo(gate.kill);
    starts.push(gate.readyMs);
    const startedMb = residentMb(gate.pid);
    await warmUp(socket, hot, (n) => `s${Math.floor((n * policies) / hot)}`);
    const hotMb = residentMb(gate.pid);
    await gate.kill();

    steps.step(`look-ups over ${policies}, ${hot} hot`);
    const script = join(root, 'bench', 'stack', 'lookups.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      stateDir,
      String(policies),
      String(hot),
    ]);
    const storeMb = Math.round(statSync(join(stateDir, 'policies.db')).size / 1e6);
    const memory = { startedMb, hotMb };
    rows.push({
      policies,
      hot,
      storeMb,
      writeSeconds,
      startMs: median(starts),
      ...memory,
      ...JSON.parse(stdout),
    });
  }
  /** @type {ScaleRun} */
  const run = { kind: 'scale', machine: from, quick: values.quick, plan, rows };
  console.error(`raw figures: ${saveResults('scale', run, values.publish)}`);
  console.log(scaleTable(run));
  if (values.publish) writePages();
});
