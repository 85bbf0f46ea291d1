import type { Clock } from './clock.ts';
import type { PolicyRules } from './rules.ts';

export interface SqliteStoreOptions {
  /** The database file; made, folder included, where there is none. Its `-wal` and `-shm` belong to it. */
  path: string;
  routing: PolicyRules['routing'];
  /** False: an absent or empty file is a fault, not a new store. Default true. */
  create?: boolean;
  clock: Clock;
  /** `randomBytes` of `node:crypto`. */
  random(bytes: number): Buffer;
  /** How often changes of other processes are looked for, in milliseconds; default 50. */
  pollMs?: number;
}
