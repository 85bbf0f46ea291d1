// Whether a rolling restart costs a request: two gate processes behind Envoy, an open loop at a share of their capacity
// during a restart, and several SIGHUPs. Fails if a request gets a wrong answer.
// usage: npm run bench -- restart [--share 0.75 --restarts 3 --seconds 25 --json]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { answerAtOnce } from '../stack/envoy-edits.mjs';
import { envoysIn } from '../stack/envoys.mjs';
import { gateFlags, SERVE, startProgram } from '../stack/gates.mjs';
import { TOKEN, writePolicies } from '../stack/policies.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '0.75' },
    restarts: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '25' },
    json: { type: 'boolean', default: false },
  },
});
const PROCESSES = 2;
/** Drain time of each gate; the default is longer than a round. */
const DRAIN_SECONDS = 2;
/** The load goes on for a while before the restart begins. */
const AHEAD_MS = 2000;

await inWorkspace(async (workspace) => {
  const { dir, undo } = workspace;
  const stateDir = join(dir, 'state');
  const log = join(dir, 'fleet.log');
  const socket = join(dir, 'check', 'gate.sock');
  const envoys = await envoysIn(workspace);
  const sandbox = await envoys.start('sandbox', { edit: answerAtOnce });
  await writePolicies(stateDir, 's', 1);
  const more = ['--policy-api=off', `--processes=${PROCESSES}`, '--log-level=info'];
  const flags = gateFlags(stateDir, socket, more, DRAIN_SECONDS);
  const fleet = await startProgram([...SERVE, ...flags], log, undefined);
  undo(async () => {
    process.kill(fleet.pid, 'SIGTERM');
    await fleet.exited;
  });
  const gates = Array.from({ length: PROCESSES }, (_, n) => join(dir, 'check', `gate-${n}.sock`));
  const envoy = await envoys.start('gate', { gates });
  await envoy.waitForGate(20_000);

  const target = () => ({ port: sandbox.port, token: TOKEN, gated: true });
  const contender = { name: 'gate', envoy: envoy.pid, gate: fleet.pid, port: envoy.port, target };
  const seconds = Number(values.seconds);
  /** One restart under a load. @param {Omit<import('../stack/round.mjs').Load, 'mix' | 'seconds'>} load */
  const restartUnder = async (load) => {
    const before = restarts(log);
    const running = measure(contender, { mix: 'allow', seconds, ...load });
    await new Promise((resolve) => setTimeout(resolve, AHEAD_MS));
    const began = performance.now();
    process.kill(fleet.pid, 'SIGHUP');
    const restartMs = await Promise.race([
      restarted(log, before).then(() => performance.now() - began),
      running.then(() => undefined),
    ]);
    if (restartMs === undefined)
      throw new Error('the load ended before the restart did\nfix: raise --seconds');
    return { ...(await running), restartMs };
  };

  console.error('measuring the capacity …');
  await measure(contender, { mix: 'allow', connections: 32, seconds: 4 });
  // The capacity while one process is down and its replacement starts on the same cores: the most that the test can send.
  const { perSecond: capacity } = await restartUnder({ connections: 32 });
  const perSecond = Number(values.share) * capacity;

  const rounds = [];
  for (let round = 1; round <= Number(values.restarts); round++) {
    const { requests, wrong, latencyMs, restartMs } = await restartUnder({ connections: 64, perSecond });
    rounds.push({ requests, wrong, restartMs: Math.round(restartMs), latencyMs });
    console.error(
      `restart ${round}: ${restartMs.toFixed(0)} ms, ${requests} requests, ${wrong} failed, p99 ${latencyMs.p99.toFixed(1)} ms`,
    );
  }
  const failed = rounds.reduce((sum, { wrong }) => sum + wrong, 0);
  if (values.json)
    console.log(JSON.stringify({ capacity, perSecond, share: Number(values.share), rounds }, null, 2));
  else
    console.log(
      `${failed} failed in ${rounds.length} rolling restarts at ${perSecond.toFixed(0)} requests/s`,
    );
  process.exitCode = failed === 0 ? 0 : 1;
});

/** How often the log says that all processes were replaced. @param {string} log */
function restarts(log) {
  return readFileSync(log, 'utf8').split('"rolling_restart_done"').length - 1;
}

/** @param {string} log @param {number} before */
async function restarted(log, before) {
  while (restarts(log) <= before) await new Promise((resolve) => setTimeout(resolve, 20));
}
