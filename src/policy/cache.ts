import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';
import { compilePolicy } from './compile.ts';
import { type Loaded, Loader } from './loader.ts';
import type { Policy, PolicyLookup } from './policy.ts';
import type { PolicyRules } from './rules.ts';
import type { Change, PolicyStore, StorePosition } from './store.ts';
import { recordPosition } from './version.ts';

/** All in milliseconds. */
export interface CacheTimes {
  /** A policy is served without asking the store for this long. */
  freshMs: number;
  /** The bound: served up to this age, and only while the store cannot be reached; then 503. */
  hardMs: number;
  /** That there is no policy, or an unreadable one, is believed for this long. */
  absentMs: number;
  /** A caller waits for the store at most this long; well below Envoy's own deadline for a check. */
  loadMs: number;
  /** After a failed load the id is not asked for again for this long. */
  retryMs: number;
}

export const CACHE_TIMES: CacheTimes = {
  freshMs: 5000,
  hardMs: 30_000,
  absentMs: 1000,
  loadMs: 700,
  retryMs: 250,
};

/** More sandboxes than one machine's gate meets in an hour; about 100 MB when full. */
const KNOWN_MAX = 100_000;
/** On their own, so that a flood of ids that do not exist evicts other such ids, never a policy. */
const BRIEF_MAX = 50_000;
/** The two clocks part by more than this when one was set, or the machine slept. */
const CLOCK_JUMP_MS = 1000;

interface Stamp {
  wall: number;
  monotonic: number;
}

/** A stamp is of the moment before the read, so that no age is ever too small. */
interface Known extends Stamp {
  lookup: { kind: 'found'; policy: Policy };
  position: StorePosition | undefined;
  /** Monotonic; before it, a stale policy is served without another load. */
  retryAt: number;
}

interface Brief extends Stamp {
  lookup: PolicyLookup;
  forMs: number;
}

interface Read extends Stamp {
  found: { policy: Policy; position: StorePosition | undefined } | undefined;
}

/** What the cache needs of a store. */
export type CachedStore = Pick<PolicyStore, 'read' | 'subscribe' | 'position'>;

/** Policies between the gate and its store: a hit is synchronous, an answer is never older than `hardMs`. */
export class PolicyCache {
  readonly #store: CachedStore;
  readonly #clock: Clock;
  readonly #times: CacheTimes;
  readonly #loader: Loader<Read, PolicyLookup>;
  readonly #known = new LRUCache<string, Known>({ max: KNOWN_MAX });
  readonly #brief = new LRUCache<string, Brief>({ max: BRIEF_MAX });
  readonly #unsubscribe: () => void;
  #last: Stamp;
  #applied: StorePosition;

  constructor(store: CachedStore, rules: PolicyRules, clock: Clock, times: CacheTimes = CACHE_TIMES) {
    this.#store = store;
    this.#clock = clock;
    this.#times = times;
    this.#last = { wall: clock.now(), monotonic: clock.monotonic() };
    this.#loader = new Loader({
      load: (sandboxId) => this.#read(sandboxId, rules),
      settle: (sandboxId, loaded) => this.#settle(sandboxId, loaded),
      deadlineMs: times.loadMs,
    });
    this.#unsubscribe = store.subscribe((change) => this.#apply(change));
    this.#applied = store.position();
  }

  /** Never rejects. */
  lookup(sandboxId: string): PolicyLookup | Promise<PolicyLookup> {
    this.#look();
    const known = this.#known.get(sandboxId);
    if (known !== undefined) {
      const age = this.#age(known);
      if (age < this.#times.freshMs) return known.lookup;
      if (age < this.#times.hardMs && this.#last.monotonic < known.retryAt) return known.lookup;
    }
    const brief = this.#brief.get(sandboxId);
    if (brief !== undefined && this.#age(brief) < brief.forMs) return brief.lookup;
    return this.#loader.load(sandboxId);
  }

  /** Every change of the store up to here is in force in this cache. */
  appliedPosition(): StorePosition {
    return this.#applied;
  }

  /** No answer is older than this, in milliseconds, whatever fails. */
  stalenessBoundMs(): number {
    return this.#times.hardMs;
  }

  close(): void {
    this.#unsubscribe();
    this.#flush();
  }

  async #read(sandboxId: string, rules: PolicyRules): Promise<Read> {
    const stamp = { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
    const record = await this.#store.read(sandboxId);
    if (record === undefined) return { ...stamp, found: undefined };
    const policy = compilePolicy(sandboxId, record, rules);
    return { ...stamp, found: { policy, position: recordPosition(record) } };
  }

  #settle(sandboxId: string, loaded: Loaded<Read>): PolicyLookup {
    this.#look();
    if (loaded.kind === 'loaded' && !this.#isOutdated(sandboxId, loaded.value)) {
      return this.#keep(sandboxId, loaded.value);
    }
    const code = loaded.kind === 'failed' ? loaded.error.code : 'STORE_UNAVAILABLE';
    const known = this.#known.get(sandboxId);
    if (code === 'STORE_UNAVAILABLE' && known !== undefined && this.#age(known) < this.#times.hardMs) {
      known.retryAt = this.#last.monotonic + this.#times.retryMs;
      return known.lookup;
    }
    const forMs = code === 'STORE_UNAVAILABLE' ? this.#times.retryMs : this.#times.absentMs;
    return this.#keepBriefly(sandboxId, { ...this.#last, lookup: { kind: 'unavailable', code }, forMs });
  }

  /** The process may have been stopped since the read, and a store that answers from a copy may be behind. */
  #isOutdated(sandboxId: string, read: Read): boolean {
    const { found } = read;
    if (this.#age(read) >= this.#times.hardMs) return true;
    const known = this.#known.get(sandboxId);
    if (known?.position === undefined || found?.position === undefined) return false;
    if (this.#age(known) >= this.#times.hardMs || known.position.epoch !== found.position.epoch) return false;
    return found.position.sequence < known.position.sequence;
  }

  #keep(sandboxId: string, { wall, monotonic, found }: Read): PolicyLookup {
    if (found === undefined) {
      return this.#keepBriefly(sandboxId, {
        wall,
        monotonic,
        lookup: { kind: 'absent' },
        forMs: this.#times.absentMs,
      });
    }
    const lookup = { kind: 'found' as const, policy: found.policy };
    this.#brief.delete(sandboxId);
    this.#known.set(sandboxId, { wall, monotonic, lookup, position: found.position, retryAt: 0 });
    return lookup;
  }

  #keepBriefly(sandboxId: string, brief: Brief): PolicyLookup {
    this.#known.delete(sandboxId);
    this.#brief.set(sandboxId, brief);
    return brief.lookup;
  }

  #apply(change: Change): void {
    this.#applied = change.position;
    if (change.kind === 'reset') this.#flush();
    else for (const sandboxId of change.sandboxIds) this.#drop(sandboxId);
  }

  #drop(sandboxId: string): void {
    this.#known.delete(sandboxId);
    this.#brief.delete(sandboxId);
    this.#loader.invalidate(sandboxId);
  }

  #flush(): void {
    this.#known.clear();
    this.#brief.clear();
    this.#loader.invalidateAll();
  }

  /** Reads both clocks; what is held is void where they have parted, since no age of it can be trusted. */
  #look(): void {
    const { wall, monotonic } = this.#last;
    this.#last = { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
    const drift = this.#last.wall - wall - (this.#last.monotonic - monotonic);
    if (Math.abs(drift) > CLOCK_JUMP_MS) this.#flush();
  }

  #age(stamp: Stamp): number {
    return Math.max(this.#last.wall - stamp.wall, this.#last.monotonic - stamp.monotonic);
  }
}
