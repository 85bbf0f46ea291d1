// The load test: k6 at a constant rate through Envoy and two gates, while tokens rotate, policies flip, WebSockets stay
// open and one gate is killed every 30 s. Fails on a lost request, a wrong answer, or a p99 that is too high.
// usage: npm run bench -- load [--minutes 5 --share 0.6 | --rate 500 --p99-ratio 10 --kill-every 30 --quick --publish]
// The summary goes to bench/results/load/ as text, JSON and an HTML page.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findings } from '../k6/summary.js';
import { conduct, writeSandboxes } from '../load/conductor.mjs';
import { startFleet } from '../load/fleet.mjs';
import { findK6 } from '../load/k6-binary.mjs';
import { faults } from '../load/verdict.mjs';
import { writePages } from '../report/pages.mjs';
import { saveResults } from '../results.mjs';
import { startWebsocketSandbox } from '../stack/contenders.mjs';
import { answerAtOnce, withoutGate } from '../stack/envoy-edits.mjs';
import { envoysIn } from '../stack/envoys.mjs';
import { machine } from '../stack/machine.mjs';
import { TOKEN } from '../stack/policies.mjs';
import { residentMb } from '../stack/processor-time.mjs';
import { inWorkspace, root } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    share: { type: 'string', default: '0.6' },
    rate: { type: 'string' },
    'p99-ratio': { type: 'string', default: '10' },
    'kill-every': { type: 'string', default: '30' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
  },
});
const plan = values.quick
  ? { minutes: 0.5, rate: Number(values.rate ?? 100), share: undefined, killEvery: 10 }
  : {
      minutes: Number(values.minutes),
      rate: values.rate === undefined ? undefined : Number(values.rate),
      share: Number(values.share),
      killEvery: Number(values['kill-every']),
    };

/**
 * @typedef {{ when: string, envoyMb: number, gatesMb: number[] }} Memory
 * @typedef {{ kind: 'load', machine: import('../stack/machine.mjs').Machine, minutes: number, rate: number, capacity: number | undefined, killed: number, changed: number, memory: Memory[], faults: string[], findings: import('../k6/summary.js').Findings }} LoadRun
 */

await inWorkspace(async (workspace) => {
  const k6 = await findK6();
  const envoys = await envoysIn(workspace);
  const stateDir = join(workspace.dir, 'state');
  const sandbox = await envoys.start('sandbox', { edit: answerAtOnce });
  const websocketPort = await startWebsocketSandbox(workspace);
  const fleet = await startFleet(workspace, stateDir);
  const envoy = await envoys.start('gate', { gates: fleet.sockets });
  const open = await envoys.start('open', { edit: withoutGate });
  await envoy.waitForGate(20_000);
  await writeSandboxes(fleet.put, { address: '127.0.0.1', token: TOKEN, now: Date.now() });

  const from = machine(envoys.version);
  const target = { TARGET: `http://127.0.0.1:${envoy.port}`, PORT: String(sandbox.port), TOKEN };
  const capacity = plan.rate === undefined ? await measureCapacity() : undefined;
  const killedBefore = fleet.kills();
  const rate = Math.round(plan.rate ?? (capacity ?? 0) * (plan.share ?? 0));
  const of = capacity === undefined ? '' : `, ${plan.share} of a capacity of ${capacity.toFixed(0)}`;
  console.error(`${rate} requests per second for ${plan.minutes} minutes${of}`);

  const out = join(root, 'bench', 'results', 'load');
  mkdirSync(out, { recursive: true });
  /** @type {Memory[]} */
  const memory = [];
  const look = async (/** @type {string} */ when) => {
    const seen = { when, envoyMb: residentMb(envoy.pid), gatesMb: await fleet.memoryMb() };
    memory.push(seen);
    console.error(`memory at the ${when}: Envoy ${seen.envoyMb} MB, gates ${seen.gatesMb.join(' and ')} MB`);
  };
  await look('start');
  const conductor = conduct(fleet.put, TOKEN);
  const killer = setInterval(() => fleet.killOne(), plan.killEvery * 1000);
  const middle = setTimeout(() => void look('middle'), plan.minutes * 30_000);
  workspace.undo(() => {
    clearInterval(killer);
    clearTimeout(middle);
    conductor.stop();
  });
  await runK6(
    k6,
    {
      ...target,
      REFERENCE: `http://127.0.0.1:${open.port}`,
      RATE: String(rate),
      SECONDS: String(plan.minutes * 60),
      WEBSOCKET_PORT: String(websocketPort),
      OUT: out,
    },
    workspace,
  );
  clearInterval(killer);
  const changed = conductor.stop();
  await look('end');

  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'));
  const found = faults(summary, { p99Ratio: Number(values['p99-ratio']) });
  const facts = {
    minutes: plan.minutes,
    rate,
    capacity,
    killed: fleet.kills() - killedBefore,
    changed,
    memory,
  };
  /** @type {LoadRun} */
  const run = { kind: 'load', machine: from, ...facts, faults: found, findings: findings(summary) };
  saveResults('load', run, values.publish);
  console.error(
    `gates killed: ${run.killed}; policies changed: ${changed} times; summary: ${out}/summary.html`,
  );
  for (const fault of found) console.error(fault);
  console.error(found.length === 0 ? 'passed' : 'failed');
  if (values.publish) writePages();
  process.exitCode = found.length === 0 ? 0 : 1;

  async function measureCapacity() {
    console.error('measuring the capacity …');
    const asFastAsItCan = (/** @type {number} */ seconds) =>
      runK6(k6, { ...target, CAPACITY: '1', SECONDS: String(seconds), OUT: workspace.dir }, workspace);
    await asFastAsItCan(5);
    // The capacity while one gate is down and its replacement starts on the same cores: the most that the test can send.
    setTimeout(() => fleet.killOne(), 1000);
    await asFastAsItCan(5);
    const text = readFileSync(join(workspace.dir, 'summary.json'), 'utf8');
    return findings(JSON.parse(text)).perSecond;
  }
});

/** k6 exits with 99 if a threshold is broken; the summary has the details. @param {string} k6 @param {Record<string, string>} settings @param {import('../stack/workspace.mjs').Workspace} workspace */
function runK6(k6, settings, { undo }) {
  const env = Object.entries(settings).map(([name, value]) => [`SANDGATE_LOAD_${name}`, value]);
  const args = ['run', '--quiet', '--no-usage-report', join(root, 'bench', 'k6', 'load.js')];
  return new Promise((resolve, reject) => {
    const child = spawn(k6, args, { stdio: 'inherit', env: { ...process.env, ...Object.fromEntries(env) } });
    undo(() => void child.kill());
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 || code === 99 ? resolve(undefined) : reject(new Error(`k6 exited with ${code}`)),
    );
  });
}
