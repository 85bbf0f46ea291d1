import { LRUCache } from 'lru-cache';
import { Ages, type Clock, type Stamp, stampOf } from '../clock.ts';
import { compilePolicy } from '../compile.ts';
import type { PolicyRules } from '../network.ts';
import type { Policy, PolicyLookup } from '../policy.ts';
import type { Change, PolicySource, StorePosition } from '../store.ts';
import { parseVersion } from '../version.ts';
import { type Loaded, Loader } from './loader.ts';

/** How a look-up ended; help texts in `observe/metric-catalogue.ts`. */
export type CacheLookup = 'hit' | 'stale' | 'absent' | 'unavailable' | 'miss';

/** How a load ended. */
export type CacheLoad = 'found' | 'stale' | 'absent' | 'unavailable';

/** Counts look-ups and loads. Called for every request, so it must not allocate or throw. */
export interface CacheObserver {
  lookedUp(result: CacheLookup): void;
  loaded(result: CacheLoad): void;
}

const NO_OBSERVER: CacheObserver = { lookedUp() {}, loaded() {} };

/** All in milliseconds. */
export interface CacheTimes {
  /** How long a policy is served without another read after the store last confirmed it. */
  freshMs: number;
  /** Maximum age of a served policy while the store is unreachable; after that, 503. */
  hardMs: number;
  /** How long an absent or unreadable policy is cached. */
  absentMs: number;
  /** Longest wait for the store; well below Envoy's deadline for a check. */
  loadMs: number;
  /** Pause after a failed load before the id is loaded again. */
  retryMs: number;
}

export const CACHE_TIMES: CacheTimes = {
  freshMs: 5000,
  hardMs: 30_000,
  absentMs: 1000,
  loadMs: 700,
  retryMs: 250,
};

/** A cached policy. It is stamped before the read, so that its age is never understated. */
interface Entry extends Stamp {
  kind: 'found';
  policy: Policy;
  /** Monotonic; before it, a stale policy is served without another load. */
  retryAt: number;
}

/** A cached answer that there is no policy, or that the policy cannot be used. */
interface NegativeEntry extends Stamp {
  lookup: Exclude<PolicyLookup, { kind: 'found' }>;
  forMs: number;
}

/** The result of one read of the store. */
interface Read extends Stamp {
  policy: Policy | undefined;
}

/** More sandboxes than the gate of one machine sees in an hour; about 180 MB when full. */
const ENTRIES_MAX = 100_000;
/** A separate map, so that a flood of ids that do not exist evicts only such ids, never a policy. */
const NEGATIVE_ENTRIES_MAX = 50_000;

/** Caches policies between the gate and its store: a hit is synchronous, and no policy is older than `hardMs`. */
export class PolicyCache {
  readonly #store: PolicySource;
  readonly #clock: Clock;
  readonly #times: CacheTimes;
  readonly #observer: CacheObserver;
  readonly #ages: Ages;
  readonly #loader: Loader<Read, PolicyLookup>;
  readonly #entries = new LRUCache<string, Entry>({ max: ENTRIES_MAX });
  readonly #negatives = new LRUCache<string, NegativeEntry>({ max: NEGATIVE_ENTRIES_MAX });
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
    this.#readClocks();
    const entry = this.#entries.get(sandboxId);
    if (entry !== undefined) {
      const age = this.#ageOf(entry);
      if (age < this.#times.freshMs) {
        this.#observer.lookedUp('hit');
        return entry;
      }
      if (age < this.#times.hardMs && this.#ages.now.monotonic < entry.retryAt) {
        this.#observer.lookedUp('stale');
        return entry;
      }
    }
    const negative = this.#negatives.get(sandboxId);
    if (negative !== undefined && this.#ages.of(negative) < negative.forMs) {
      this.#observer.lookedUp(negative.lookup.kind);
      return negative.lookup;
    }
    this.#observer.lookedUp('miss');
    return this.#loader.load(sandboxId);
  }

  /** Cached ids: with a policy, and as absent or unreadable. */
  size(): { policies: number; negative: number } {
    return { policies: this.#entries.size, negative: this.#negatives.size };
  }

  loadsInFlight(): number {
    return this.#loader.inFlight();
  }

  /** Every change of the store up to this position is in force in this cache. */
  appliedPosition(): StorePosition {
    return this.#applied;
  }

  /** Maximum age of a policy that is served, in milliseconds, whatever fails. */
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
    this.#readClocks();
    if (loaded.kind === 'loaded' && !this.#isOutdated(sandboxId, loaded.value)) {
      return this.#keep(sandboxId, loaded.value);
    }
    const code = loaded.kind === 'failed' ? loaded.error.code : 'STORE_UNAVAILABLE';
    const entry = this.#entries.get(sandboxId);
    if (code === 'STORE_UNAVAILABLE' && entry !== undefined && this.#ageOf(entry) < this.#times.hardMs) {
      entry.retryAt = this.#ages.now.monotonic + this.#times.retryMs;
      this.#observer.loaded('stale');
      return entry;
    }
    const forMs = code === 'STORE_UNAVAILABLE' ? this.#times.retryMs : this.#times.absentMs;
    const lookup = { kind: 'unavailable' as const, code };
    return this.#keepNegative(sandboxId, { ...this.#ages.now, lookup, forMs });
  }

  /** The process may have been suspended since the read, and a store that reads from a replica may lag behind. */
  #isOutdated(sandboxId: string, read: Read): boolean {
    if (this.#ages.of(read) >= this.#times.hardMs) return true;
    const entry = this.#entries.get(sandboxId);
    if (entry === undefined || read.policy === undefined) return false;
    const [held, found] = [parseVersion(entry.policy.version), parseVersion(read.policy.version)];
    if (held === undefined || this.#ageOf(entry) >= this.#times.hardMs) return false;
    return held.epoch === found?.epoch && found.sequence < held.sequence;
  }

  #keep(sandboxId: string, { wall, monotonic, policy }: Read): PolicyLookup {
    if (policy === undefined) {
      return this.#keepNegative(sandboxId, {
        wall,
        monotonic,
        lookup: { kind: 'absent' },
        forMs: this.#times.absentMs,
      });
    }
    const entry: Entry = { kind: 'found', policy, wall, monotonic, retryAt: 0 };
    this.#observer.loaded('found');
    this.#negatives.delete(sandboxId);
    // The policy's own id, to keep no second copy of the same text.
    this.#entries.set(policy.sandboxId, entry);
    return entry;
  }

  #keepNegative(sandboxId: string, negative: NegativeEntry): PolicyLookup {
    this.#observer.loaded(negative.lookup.kind);
    this.#entries.delete(sandboxId);
    this.#negatives.set(sandboxId, negative);
    return negative.lookup;
  }

  #apply(change: Change): void {
    this.#applied = change.position;
    if (change.kind === 'reset') this.#flush();
    else for (const sandboxId of change.sandboxIds) this.#drop(sandboxId);
  }

  #drop(sandboxId: string): void {
    this.#entries.delete(sandboxId);
    this.#negatives.delete(sandboxId);
    this.#loader.invalidate(sandboxId);
  }

  #flush(): void {
    this.#entries.clear();
    this.#negatives.clear();
    this.#loader.invalidateAll();
  }

  /** Milliseconds since the store last confirmed it. */
  #ageOf(entry: Entry): number {
    const delivered = this.#store.deliveredUntil();
    const age = this.#ages.of(entry);
    return delivered === undefined ? age : Math.min(age, this.#ages.of(delivered));
  }

  /** Flushes the cache if a clock has jumped, since no age can be trusted then. */
  #readClocks(): void {
    if (!this.#ages.readClocks()) this.#flush();
  }
}
