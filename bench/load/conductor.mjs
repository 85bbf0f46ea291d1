import {
  FLIPPING,
  isPublic,
  passingPeriods,
  periodAt,
  ROTATING,
  STEADY_SANDBOXES,
  tokenText,
} from '../k6/timetable.js';
import { sha256 } from '../stack/policies.mjs';

/** @typedef {(records: readonly unknown[]) => Promise<unknown>} Put One transaction at the policy API. */

const BATCH = 250;

/**
 * Writes the sandboxes of the load test: the steady ones, then the two that change.
 * @param {Put} put @param {{ address: string, token: string, now: number }} facts
 */
export async function writeSandboxes(put, { address, token, now }) {
  const runtime = { route: { address } };
  const access = { tokens: [{ id: 'default', sha256: sha256(token) }] };
  const steady = Array.from({ length: STEADY_SANDBOXES }, (_, n) => ({
    sandboxId: `s${n}`,
    runtime,
    access,
  }));
  for (let n = 0; n < steady.length; n += BATCH) await put(steady.slice(n, n + BATCH));
  await put(changesAt(now, token).map((change) => ({ ...change, runtime })));
}

/** The access parts as the timetable has them at `now`. @param {number} now @param {string} token */
export function changesAt(now, token) {
  const tokens = passingPeriods(now).map((period) => ({
    id: `period-${period}`,
    sha256: sha256(sha256(tokenText(token, period))),
  }));
  const known = [{ id: 'default', sha256: sha256(token) }];
  return [
    { sandboxId: ROTATING, access: { tokens } },
    { sandboxId: FLIPPING, access: { allowPublicTraffic: isPublic(now), tokens: known } },
  ];
}

/**
 * Writes each period's changes as it begins, until stopped. A failed write is retried: its gate may have just been
 * killed.
 * @param {Put} put @param {string} token
 */
export function conduct(put, token) {
  // Earlier writes may belong to an earlier period.
  let done = Number.NaN;
  let busy = false;
  let changes = 0;
  const timer = setInterval(async () => {
    const now = Date.now();
    if (busy || periodAt(now) === done) return;
    busy = true;
    try {
      await put(changesAt(now, token));
      done = periodAt(now);
      changes++;
    } catch {
      // The next tick retries, with the other gate.
    } finally {
      busy = false;
    }
  }, 50);
  return {
    /** How many times the policies changed. */
    stop() {
      clearInterval(timer);
      return changes;
    },
  };
}
