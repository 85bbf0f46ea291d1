import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LOAD_CORE, pin } from './pinning.mjs';
import { cpuSeconds } from './processor-time.mjs';

/**
 * @typedef {{ mix: import('../client/mixes.mjs').MixName, seconds: number, connections: number, perSecond?: number, ids?: number }} Load
 * `perSecond` makes it an open loop; `ids` overrides the mix's number of sandboxes.
 * @typedef {{ port: number, token: string, gated: boolean, named?: boolean, from?: number }} Target `port` is the sandbox's.
 * @typedef {{ requests: number, wrong: number, seconds: number, latencyMs: import('../measure/statistics.mjs').Percentiles, latenessMs: import('../measure/statistics.mjs').Percentiles }} Outcome
 * @typedef {Outcome & { perSecond: number, envoyUs: number, gateUs: number, busy: number }} Sample
 * CPU is per request; `busy` is the share of one core that Envoy and the gate used.
 */

const CLIENT = fileURLToPath(new URL('../client/main.mjs', import.meta.url));

/**
 * Runs one round of load on a contender.
 * @param {import('./contenders.mjs').Contender} contender @param {Load} load
 * @returns {Promise<Sample>}
 */
export async function measure({ envoy, gate, port, target }, load) {
  const before = { envoy: cpuSeconds(envoy), gate: cpuSeconds(gate) };
  const outcome = await runClient({ ...load, port, target: target(load.mix, load.seconds) });
  const spent = { envoy: cpuSeconds(envoy) - before.envoy, gate: cpuSeconds(gate) - before.gate };
  const { requests, seconds } = outcome;
  return {
    ...outcome,
    perSecond: requests / seconds,
    envoyUs: (spent.envoy / requests) * 1e6,
    gateUs: (spent.gate / requests) * 1e6,
    busy: (spent.envoy + spent.gate) / seconds,
  };
}

/** @param {Load & { port: number, target: Target }} options @returns {Promise<Outcome>} */
function runClient(options) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLIENT, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (child.pid !== undefined) pin(child.pid, LOAD_CORE);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(text)) : reject(new Error('the load failed')),
    );
  });
}
