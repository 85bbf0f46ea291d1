import type { Stamp } from './ages.ts';
import type { Policy, PolicyLookup } from './policy.ts';

/** A look-up that is kept. A stamp is of the moment before the read, so that no age is ever too small. */
export interface Known extends Stamp {
  kind: 'found';
  policy: Policy;
  /** Monotonic; before it, a stale policy is served without another load. */
  retryAt: number;
}

/** That there is no policy, or none that can be used. */
export interface Brief extends Stamp {
  lookup: Exclude<PolicyLookup, { kind: 'found' }>;
  forMs: number;
}

/** What one read of the store found. */
export interface Read extends Stamp {
  policy: Policy | undefined;
}
