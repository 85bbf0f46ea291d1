// The cost of the gate: interleaves no gate, the gate, a floor (grpc-js that answers fixed bytes) and any peers in one run.
// usage: npm run bench -- run [--quick --peer name=socket … --publish]
// Raw figures go to bench/results/run.json; --publish writes them to bench/published/ and draws docs/performance.md.
import { parseArgs } from 'node:util';
import { MIXES, population } from '../client/mixes.mjs';
import { progress } from '../measure/progress.mjs';
import { rotated } from '../measure/rotation.mjs';
import { median } from '../measure/statistics.mjs';
import { writePages } from '../report/pages.mjs';
import { summary } from '../report/summary.mjs';
import { saveResults } from '../results.mjs';
import { startContenders } from '../stack/contenders.mjs';
import { machine } from '../stack/machine.mjs';
import { peers } from '../stack/peers.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    peer: { type: 'string', multiple: true, default: [] },
  },
});

/**
 * @typedef {{ contender: string, mix: import('../client/mixes.mjs').MixName, round: number, share?: number } & import('../stack/round.mjs').Sample} Row
 * `share` of the capacity, in an open loop only.
 * @typedef {{ kind: 'run', machine: import('../stack/machine.mjs').Machine, quick: boolean, plan: typeof FULL, capacity: number, closed: Row[], open: Row[] }} Run
 */

/** Rounds last a few seconds, because CPU is counted in clock ticks of 10 ms. */
const FULL = {
  mixes: /** @type {import('../client/mixes.mjs').MixName[]} */ (Object.keys(MIXES)),
  hot: { rounds: 9, seconds: 3 },
  others: { rounds: 3, seconds: 3 },
  open: { rounds: 3, seconds: 5, shares: [0.25, 0.5, 0.75, 0.9] },
  connections: 32,
};
/** @type {typeof FULL} */
const QUICK = {
  mixes: ['allow', 'deny', 'half', 'zipf10k', 'destinations', 'websocket'],
  hot: { rounds: 3, seconds: 1 },
  others: { rounds: 1, seconds: 1 },
  open: { rounds: 1, seconds: 2, shares: [0.25, 0.5, 0.75, 0.9] },
  connections: 32,
};
const plan = values.quick ? QUICK : FULL;

await inWorkspace(async (workspace) => {
  const { contenders, envoyVersion } = await startContenders(workspace, {
    names: ['open', 'gate', 'floor'],
    peers: peers(values.peer),
    population: population(plan.mixes),
  });
  /** @param {import('../client/mixes.mjs').MixName} mix */
  const able = (mix) => contenders.filter(({ mixes }) => mixes === undefined || mixes.includes(mix));
  const roundsOf = (/** @type {string} */ mix) => (mix === 'allow' ? plan.hot : plan.others);
  const closedSteps = plan.mixes.flatMap((mix) => Array(roundsOf(mix).rounds * able(mix).length).fill(mix));
  const openSteps = plan.open.rounds * plan.open.shares.length * able('allow').length;
  const steps = progress(closedSteps.length + openSteps);

  const from = machine(envoyVersion);
  // Warms up caches, connection pools and the compiler, which optimizes a gate late.
  for (const contender of contenders) await measure(contender, load('allow', values.quick ? 2 : 4));
  /** @type {Row[]} */
  const closed = [];
  for (const mix of plan.mixes) {
    for (let round = 0; round < roundsOf(mix).rounds; round++) {
      for (const contender of rotated(able(mix), round)) {
        steps.step(`${mix}, closed loop, ${contender.name}`);
        const sample = await measure(contender, load(mix, roundsOf(mix).seconds));
        closed.push({ contender: contender.name, mix, round, ...sample });
      }
    }
  }
  const ofGate = closed.filter(({ contender, mix }) => contender === 'gate' && mix === 'allow');
  const capacity = median(ofGate.map(({ perSecond }) => perSecond));
  /** @type {Row[]} */
  const open = [];
  for (let round = 0; round < plan.open.rounds; round++) {
    for (const share of plan.open.shares) {
      for (const contender of rotated(able('allow'), round)) {
        steps.step(`allow, open loop at ${share * 100} % of capacity, ${contender.name}`);
        const paced = { ...load('allow', plan.open.seconds), perSecond: capacity * share, connections: 64 };
        open.push({
          contender: contender.name,
          mix: 'allow',
          round,
          share,
          ...(await measure(contender, paced)),
        });
      }
    }
  }
  const wrong = [...closed, ...open].filter((row) => row.wrong > 0);
  if (wrong.length > 0) {
    const named = wrong
      .map(
        ({ contender, mix, share, wrong: n }) => `${contender}, ${mix}${share ? ` at ${share}` : ''}: ${n}`,
      )
      .join('; ');
    throw new Error(`requests got a wrong answer, so the figures are meaningless: ${named}`);
  }
  /** @type {Run} */
  const run = { kind: 'run', machine: from, quick: values.quick, plan, capacity, closed, open };
  console.error(`raw figures: ${saveResults('run', run, values.publish)}`);
  console.log(summary(run));
  if (values.publish) writePages();
});

/** @param {import('../client/mixes.mjs').MixName} mix @param {number} seconds */
function load(mix, seconds) {
  return { mix, seconds, connections: plan.connections };
}
