import type { InForceAt } from '../admin/policy-admin.ts';
import { type Io, warn } from './io.ts';
import type { Way } from './way.ts';

/** The end of a sentence that says what was written. */
export function inForceText({ gates, inForce }: InForceAt, way: Way): string {
  if (gates === 0) return way.kind === 'store' ? 'written; no gate runs on this state folder' : 'written';
  if (!inForce) return 'written';
  return `in force at ${gates} gate${gates === 1 ? '' : 's'}`;
}

export function warnIfNotInForce(io: Io, { gates, inForce }: InForceAt): void {
  if (!inForce)
    warn(io, `written, but not each of the ${gates} gates has taken it up yet; /readyz of a gate says why`);
}
