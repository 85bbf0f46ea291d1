import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../policy/clock.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const DRIFT_MS = 1000;
/** File systems round times, some of them to two seconds. */
const FILE_DRIFT_MS = 3000;
/** This code was written after this date, so an earlier clock is wrong. */
const EARLIEST = Date.UTC(2025, 0, 1);

/**
 * Checks whether the clock is good enough for expiry times: against the time of a file written just now in `temporary`, and
 * against the monotonic clock. `before`: both clocks, a while ago.
 */
export function checkClock(
  clock: Clock,
  before: { wall: number; monotonic: number },
  temporary: string,
): Finding {
  const now = clock.now();
  const remedy = 'set the clock and keep it in sync by NTP: tokens expire and caches age by it';
  if (now < EARLIEST) return fail('clock', `it is ${new Date(now).toISOString()}`, remedy);
  const jump = now - before.wall - (clock.monotonic() - before.monotonic);
  if (Math.abs(jump) > DRIFT_MS) return warn('clock', `it jumped by ${Math.round(jump)} ms just now`, remedy);
  const file = writtenAt(temporary) - now;
  if (Math.abs(file) > FILE_DRIFT_MS) {
    return warn('clock', `a file written now is ${Math.round(file / 1000)} s off`, remedy);
  }
  return ok('clock', `${new Date(now).toISOString()}, steady`);
}

/** The modification time that the file system gives to a file written now. */
function writtenAt(temporary: string): number {
  const folder = mkdtempSync(join(temporary, 'sandgate-clock-'));
  try {
    const probe = join(folder, 'probe');
    writeFileSync(probe, '');
    return statSync(probe).mtimeMs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
