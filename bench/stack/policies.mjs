import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { systemClock } from '../../dist/policy/clock.js';
import { parsePut } from '../../dist/policy/put.js';
import { openSqliteStore } from '../../dist/policy/sqlite/sqlite-store.js';
import { policyRules } from '../../dist/policy-access.js';
import { addressOf } from '../client/mixes.mjs';

/** The token of every measured sandbox. */
export const TOKEN = '8af02a375695377b6884b2a1236fdeb3667a848881b2280e56bd634a69e348de';
const BATCH = 1000;
const RULES = policyRules({
  routing: 'gate',
  publicTraffic: 'allow',
  sandboxCidrs: ['127.0.0.0/8'],
  ownListeners: [],
  nodeProxies: [],
});

/**
 * Writes policies for sandboxes `<prefix><from>` to `<prefix><count - 1>` into the embedded store of a state folder.
 * @param {string} stateDir @param {string} prefix @param {number} count @param {number} from
 */
export async function writePolicies(stateDir, prefix, count, from = 0) {
  const store = await openSqliteStore({
    path: join(stateDir, 'policies.db'),
    routing: 'gate',
    clock: systemClock,
    random: randomBytes,
  });
  try {
    for (let n = from; n < count; n += BATCH) {
      const ids = Array.from({ length: Math.min(BATCH, count - n) }, (_, offset) => n + offset);
      await store.write(ids.map((id) => parsePut(policyOf(prefix, id), RULES)));
    }
  } finally {
    await store.close();
  }
}

/** @param {string} prefix @param {number} n */
function policyOf(prefix, n) {
  return {
    sandboxId: `${prefix}${n}`,
    runtime: { route: { address: addressOf(prefix, n) } },
    access: { tokens: [{ id: 'default', sha256: sha256(TOKEN) }] },
  };
}

/** @param {string} text */
export function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}
