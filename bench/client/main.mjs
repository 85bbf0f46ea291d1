// One round of load, in its own process, so that the client's CPU is not measured with the server's.
// usage: node bench/client/main.mjs '{"mix":"allow","port":…,"target":{…},"seconds":3,"connections":32,"perSecond":1000}'
// Without `perSecond` it runs a closed loop. Prints one JSON line; latencies are in milliseconds.
import { seededRandom } from '../measure/random.mjs';
import { arrivals } from '../measure/schedule.mjs';
import { percentiles } from '../measure/statistics.mjs';
import { closedLoop } from './closed-loop.mjs';
import { MIXES } from './mixes.mjs';
import { openLoop } from './open-loop.mjs';
import { requestsOf } from './requests.mjs';

/** @type {import('../stack/round.mjs').Load & { port: number, target: import('../stack/round.mjs').Target }} */
const { mix: name, port, target, seconds, connections, perSecond, ids } = JSON.parse(process.argv[2] ?? '{}');
const mix = { ...MIXES[name], ...(ids !== undefined && { ids }) };
const requests = requestsOf(mix, target);
const load = { port, requests, seconds, connections, websocket: mix.websocket };
const outcome =
  perSecond === undefined
    ? { lateness: new Float64Array(), ...(await closedLoop(load)) }
    : await openLoop({ ...load, due: arrivals(perSecond, seconds, seededRandom(2)) });
const { latencies, lateness, wrong } = outcome;
console.log(
  JSON.stringify({
    requests: latencies.length,
    wrong,
    seconds: outcome.seconds,
    latencyMs: percentiles(latencies),
    latenessMs: percentiles(lateness),
  }),
);
process.exit();
