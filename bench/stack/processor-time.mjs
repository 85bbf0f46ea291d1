import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const LOAD = fileURLToPath(new URL('load.mjs', import.meta.url));

/**
 * One round of load on a subject.
 * @param {import('./subjects.mjs').Subject} subject
 * @param {{ seconds: number, connections: number }} load
 */
export async function measure(subject, load) {
  const before = { envoy: cpuSeconds(subject.envoy), gate: cpuSeconds(subject.gate) };
  const { requests, failed, seconds, p50, p99 } = await runLoad({ ...load, ...subject.target });
  const spent = {
    envoy: cpuSeconds(subject.envoy) - before.envoy,
    gate: cpuSeconds(subject.gate) - before.gate,
  };
  return {
    failed,
    perSecond: requests / seconds,
    envoyUs: (spent.envoy / requests) * 1e6,
    gateUs: (spent.gate / requests) * 1e6,
    p50,
    p99,
  };
}

/** @param {number | undefined} pid */
function cpuSeconds(pid) {
  if (pid === undefined) return 0;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * In a process of its own, so that what drives the load is not measured with what bears it.
 * @param {object} options
 * @returns {Promise<{ requests: number, failed: number, seconds: number, p50: number, p99: number }>}
 */
function runLoad(options) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [LOAD, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
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
