import { LRUCache } from 'lru-cache';
import { Ages, type Clock, type Stamp, stampOf } from '../clock.ts';
import { compilePolicy } from '../compile.ts';
import type { PolicyRules } from '../network.ts';
import type { Policy, PolicyLookup } from '../policy.ts';
import type { Change, PolicySource, StorePosition } from '../store.ts';
import { parseVersion } from '../version.ts';
import { type Loaded, Loader } from './loader.ts';

/** What a look-up found; help texts in `observe/metric-catalogue.ts`. */
export type CacheLookup = 'hit' | 'stale' | 'absent' | 'unavailable' | 'miss';

/** What a load ended with. */
export type CacheLoad = 'found' | 'stale' | 'absent' | 'unavailable';

/** Who counts what a cache does. Called for every request, so it must not allocate, and must not throw. */
export interface CacheObserver {
  lookedUp(result: CacheLookup): void;
  loaded(result: CacheLoad): void;
}

const NO_OBSERVER: CacheObserver = { lookedUp() {}, loaded() {} };

/** All in milliseconds. */
export interface CacheTimes {
  /** A policy is served without asking the store for this long after it was read, or known to be unchanged. */
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

/** A look-up that is kept. A stamp is of the moment before the read, so that no age is ever too small. */
interface Known extends Stamp {
  kind: 'found';
  policy: Policy;
  /** Monotonic; before it, a stale policy is served without another load. */
  retryAt: number;
}

/** That there is no policy, or none that can be used. */
interface Brief extends Stamp {
  lookup: Exclude<PolicyLookup, { kind: 'found' }>;
  forMs: number;
}

/** What one read of the store found. */
interface Read extends Stamp {
  policy: Policy | undefined;
}

/** More sandboxes than one machine's gate meets in an hour; about 180 MB when full. */
const KNOWN_MAX = 100_000;
/** On their own, so that a flood of ids that do not exist evicts other such ids, never a policy. */
const BRIEF_MAX = 50_000;

/** Policies between the gate and its store: a hit is synchronous, an answer is never older than `hardMs`. */
export class PolicyCache {
  readonly #store: PolicySource;
  readonly #clock: Clock;
  readonly #times: CacheTimes;
  readonly #observer: CacheObserver;
  readonly #ages: Ages;
  readonly #loader: Loader<Read, PolicyLookup>;
  readonly #known = new LRUCache<string, Known>({ max: KNOWN_MAX });
  readonly #brief = new LRUCache<string, Brief>({ max: BRIEF_MAX });
  readonly #unsubscribe: () => void;
  #applied: StorePosition;

  constructor(
    store: PolicySource,
    rules: PolicyRules,
    clock: Clock,
    times: CacheTimes = CACHE_TIMES,
    observer: CacheObserver = NO_OBSERVER,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#times = times;
    this.#observer = observer;
    this.#ages = new Ages(clock);
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
      const age = this.#ageOf(known);
      if (age < this.#times.freshMs) {
        this.#observer.lookedUp('hit');
        return known;
      }
      if (age < this.#times.hardMs && this.#ages.now.monotonic < known.retryAt) {
        this.#observer.lookedUp('stale');
        return known;
      }
    }
    const brief = this.#brief.get(sandboxId);
    if (brief !== undefined && this.#ages.of(brief) < brief.forMs) {
      this.#observer.lookedUp(brief.lookup.kind);
      return brief.lookup;
    }
    this.#observer.lookedUp('miss');
    return this.#loader.load(sandboxId);
  }

  /** Ids held: with a policy, and as absent or unreadable. */
  size(): { known: number; brief: number } {
    return { known: this.#known.size, brief: this.#brief.size };
  }

  loadsInFlight(): number {
    return this.#loader.inFlight();
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
    const stamp = stampOf(this.#clock);
    const record = await this.#store.read(sandboxId);
    return { ...stamp, policy: record && compilePolicy(sandboxId, record, rules) };
  }

  #settle(sandboxId: string, loaded: Loaded<Read>): PolicyLookup {
    this.#look();
    if (loaded.kind === 'loaded' && !this.#isOutdated(sandboxId, loaded.value)) {
      return this.#keep(sandboxId, loaded.value);
    }
    const code = loaded.kind === 'failed' ? loaded.error.code : 'STORE_UNAVAILABLE';
    const known = this.#known.get(sandboxId);
    if (code === 'STORE_UNAVAILABLE' && known !== undefined && this.#ageOf(known) < this.#times.hardMs) {
      known.retryAt = this.#ages.now.monotonic + this.#times.retryMs;
      this.#observer.loaded('stale');
      return known;
    }
    const forMs = code === 'STORE_UNAVAILABLE' ? this.#times.retryMs : this.#times.absentMs;
    const lookup = { kind: 'unavailable' as const, code };
    return this.#keepBriefly(sandboxId, { ...this.#ages.now, lookup, forMs });
  }

  /** The process may have been stopped since the read, and a store that answers from a copy may be behind. */
  #isOutdated(sandboxId: string, read: Read): boolean {
    if (this.#ages.of(read) >= this.#times.hardMs) return true;
    const known = this.#known.get(sandboxId);
    if (known === undefined || read.policy === undefined) return false;
    const [held, found] = [parseVersion(known.policy.version), parseVersion(read.policy.version)];
    if (held === undefined || this.#ageOf(known) >= this.#times.hardMs) return false;
    return held.epoch === found?.epoch && found.sequence < held.sequence;
  }

  #keep(sandboxId: string, { wall, monotonic, policy }: Read): PolicyLookup {
    if (policy === undefined) {
      return this.#keepBriefly(sandboxId, {
        wall,
        monotonic,
        lookup: { kind: 'absent' },
        forMs: this.#times.absentMs,
      });
    }
    const known: Known = { kind: 'found', policy, wall, monotonic, retryAt: 0 };
    this.#observer.loaded('found');
    this.#brief.delete(sandboxId);
    // The policy's id, not a second copy of the same text.
    this.#known.set(policy.sandboxId, known);
    return known;
  }

  #keepBriefly(sandboxId: string, brief: Brief): PolicyLookup {
    this.#observer.loaded(brief.lookup.kind);
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

  /** Since it was last known to be what the store holds. */
  #ageOf(known: Known): number {
    const delivered = this.#store.deliveredUntil();
    const age = this.#ages.of(known);
    return delivered === undefined ? age : Math.min(age, this.#ages.of(delivered));
  }

  /** What is held is void where the clocks have parted, since no age of it can be trusted. */
  #look(): void {
    if (!this.#ages.look()) this.#flush();
  }
}
