// The share of garbage collection in a Check, in the gate and in the floor (plain grpc-js), for hot allows behind Envoy.
// usage: npm run bench -- collections [--rounds 7 --seconds 2]
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rotated } from '../measure/rotation.mjs';
import { median } from '../measure/statistics.mjs';
import { startContenders } from '../stack/contenders.mjs';
import { measure } from '../stack/round.mjs';
import { inWorkspace } from '../stack/workspace.mjs';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '2' } },
});
const PRELOAD = fileURLToPath(new URL('../stack/count-collections.mjs', import.meta.url));
/** Time until the counts of a round are written. */
const WRITTEN_MS = 600;

await inWorkspace(async (workspace) => {
  const folder = join(workspace.dir, 'collections');
  mkdirSync(folder);
  // Inherited by every process started here, including the load's client, whose file is not read.
  process.env.SANDGATE_BENCH_COLLECTIONS = folder;
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${PRELOAD}`;
  const { contenders } = await startContenders(workspace, {
    names: ['gate', 'floor'],
    population: { s: 1, d: 0 },
  });
  /** @returns {import('../stack/count-collections.mjs').Collections} */
  const spentBy = (/** @type {number | undefined} */ pid) =>
    JSON.parse(readFileSync(join(folder, `${pid}.json`), 'utf8'));
  const load = { mix: /** @type {const} */ ('allow'), connections: 32, seconds: Number(values.seconds) };
  for (const contender of contenders) await measure(contender, { ...load, seconds: 4 });

  /** @type {Record<string, { cpu: number, young: number, full: number }[]>} */
  const rounds = {};
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const contender of rotated(contenders, round)) {
      const before = spentBy(contender.gate);
      const { requests, gateUs } = await measure(contender, load);
      await new Promise((resolve) => setTimeout(resolve, WRITTEN_MS));
      const after = spentBy(contender.gate);
      const each = (/** @type {number} */ ms) => (ms * 1000) / requests;
      rounds[contender.name] ??= [];
      rounds[contender.name]?.push({
        cpu: gateUs,
        young: each(after.youngMs - before.youngMs),
        full: each(after.fullMs - before.fullMs),
      });
    }
  }
  for (const [name, samples] of Object.entries(rounds)) {
    const of = (/** @type {'cpu' | 'young' | 'full'} */ part) =>
      median(samples.map((sample) => sample[part])).toFixed(1);
    console.log(
      `${name}: ${of('cpu')} µs of CPU a Check, of them ${of('young')} in young collections and ${of('full')} in full ones`,
    );
  }
});
