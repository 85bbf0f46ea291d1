// Look-ups in a gate's cache over a store, without gRPC. In its own process, because its memory is measured too.
// usage: node bench/stack/lookups.mjs <stateDir> <policies> <hot>; prints one JSON line, times in microseconds
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { PolicyCache } from '../../dist/policy/cache/cache.js';
import { systemClock } from '../../dist/policy/clock.js';
import { openSqliteStore } from '../../dist/policy/sqlite/sqlite-store.js';
import { policyRules } from '../../dist/policy-access.js';
import { seededRandom } from '../measure/random.mjs';
import { percentiles } from '../measure/statistics.mjs';

const [stateDir = '', size = '', hot = ''] = process.argv.slice(2);
const [policies, kept] = [Number(size), Number(hot)];
const path = join(stateDir, 'policies.db');
const store = await openSqliteStore({ path, routing: 'gate', clock: systemClock, random: randomBytes });
const rules = policyRules({
  routing: 'gate',
  publicTraffic: 'allow',
  sandboxCidrs: ['127.0.0.0/8'],
  ownListeners: [],
  nodeProxies: [],
});
// Long ages, so that cached entries stay fresh while this runs.
const times = { freshMs: 3_600_000, hardMs: 3_600_000, absentMs: 1000, loadMs: 5000, retryMs: 250 };
const cache = new PolicyCache(store, rules, systemClock, times);
const random = seededRandom(3);

// Spread over the whole store, each once, so that pages are as cold as the file system leaves them.
const step = policies / kept;
const ids = Array.from({ length: kept }, (_, n) => `s${Math.floor(n * step)}`);
for (let n = ids.length - 1; n > 0; n--) {
  const other = Math.floor(random() * (n + 1));
  [ids[n], ids[other]] = [/** @type {string} */ (ids[other]), /** @type {string} */ (ids[n])];
}
const cold = new Float64Array(kept);
for (const [n, id] of ids.entries()) cold[n] = await timed(id);
const warm = new Float64Array(200_000);
for (let n = 0; n < warm.length; n++) {
  const id = ids[Math.floor(random() * kept)] ?? '';
  const started = performance.now();
  const found = cache.lookup(id);
  warm[n] = (performance.now() - started) * 1000;
  if (found instanceof Promise || found.kind !== 'found') throw new Error(`${id} is not hot`);
}
console.log(JSON.stringify({ coldUs: percentiles(cold), hotUs: percentiles(warm) }));
cache.close();
await store.close();

/** @param {string} id */
async function timed(id) {
  const started = performance.now();
  const { kind } = await cache.lookup(id);
  if (kind !== 'found') throw new Error(`${id} is ${kind}`);
  return (performance.now() - started) * 1000;
}
