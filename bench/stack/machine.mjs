import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { pinned } from './pinning.mjs';

/** Where figures come from. `load`: what else ran, as the load average of a minute before the start. */
export function machine(/** @type {string} */ envoy) {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.versions.node,
    envoy,
    pinned,
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
    at: new Date().toISOString(),
  };
}

/** @typedef {ReturnType<typeof machine>} Machine */
