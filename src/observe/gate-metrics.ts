import type { Decision, Deny, Preflight } from '../decision/decision.ts';
import { ENVOY_REASONS, REASONS, type Reason } from '../decision/reasons.ts';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { CacheLoad, CacheLookup, CacheObserver } from '../policy/cache/cache.ts';
import { Counters, countersBy, LatencyHistogram, type Sample } from './counters.ts';
import { LATENCY_BUCKETS, METRICS, type MetricKey } from './metric-catalogue.ts';

const GRANTS = ['token', 'public', 'agent', 'shadow'] as const;
const LOOKUPS = ['hit', 'stale', 'absent', 'unavailable', 'miss'] as const satisfies readonly CacheLookup[];
const LOADS = ['found', 'stale', 'absent', 'unavailable'] as const satisfies readonly CacheLoad[];
const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const DENIALS = (Object.keys(REASONS) as Reason[]).filter(
  (reason) => reason !== 'preflight' && !(ENVOY_REASONS as readonly Reason[]).includes(reason),
);
/** The denials that shadow mode turns into allows. */
const SHADOWED: Deny['reason'][] = ['token_missing', 'token_invalid'];

const reasonOf = (refusal: Deny | Preflight) => (refusal.kind === 'deny' ? refusal.reason : 'preflight');

/** The counters of one gate. Every method is cheap, keeps none of its arguments and does not throw. */
export class GateMetrics implements CacheObserver {
  readonly #monotonic: () => number;
  readonly #decisions = new Counters<(typeof GRANTS)[number] | Reason>([
    ...GRANTS.map((grant) => [grant, { outcome: 'allow', reason: grant }] as const),
    ...DENIALS.map((reason) => [reason, { outcome: 'deny', reason }] as const),
    ['preflight', { outcome: 'preflight', reason: 'preflight' }],
  ]);
  readonly #durations = new LatencyHistogram(LATENCY_BUCKETS);
  readonly #unavailable = countersBy('code', CODES);
  readonly #faults = countersBy('code', CODES);
  readonly #lookups = countersBy('result', LOOKUPS);
  readonly #loads = countersBy('result', LOADS);
  readonly #reads = new LatencyHistogram(LATENCY_BUCKETS);
  readonly #readErrors = countersBy('code', CODES);
  readonly #shadowAllows = countersBy('reason', SHADOWED);
  #publicRefused = 0;
  #malformed = 0;
  #waiting = 0;
  #logDropped = 0;
  #contactAt: number;

  /** `monotonic`: milliseconds of a monotonic clock. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#contactAt = monotonic();
  }

  decided(decision: Decision, durationNs: number): void {
    this.#durations.observe(durationNs / 1e9);
    this.#decisions.add(decision.kind === 'allow' ? decision.grant.by : reasonOf(decision));
    if (decision.kind === 'allow' && decision.grant.by === 'shadow')
      this.#shadowAllows.add(decision.grant.reason);
    const denied = decision.kind === 'preflight' ? decision.refused : decision;
    if (denied?.kind === 'deny' && denied.detail === 'public_refused') this.#publicRefused++;
    // Only `unavailable` has an error code as its detail; other details are not counted.
    if (decision.kind === 'deny' && decision.reason === 'unavailable') {
      this.#unavailable.add((decision.detail ?? 'INTERNAL') as ErrorCode);
    }
  }

  /** Counts a message that was not a CheckRequest. */
  malformed(): void {
    this.#malformed++;
  }

  /** A check started (1) or stopped (-1) waiting for the store. */
  waiting(by: 1 | -1): void {
    this.#waiting += by;
  }

  fault(code: ErrorCode): void {
    this.#faults.add(code);
  }

  lookedUp(result: CacheLookup): void {
    this.#lookups.add(result);
  }

  loaded(result: CacheLoad): void {
    this.#loads.add(result);
  }

  /** A read of the store ended; `error` is set if it failed. */
  storeRead(durationMs: number, error?: ErrorCode): void {
    this.#reads.observe(durationMs / 1000);
    if (error !== undefined) this.#readErrors.add(error);
    if (error !== 'STORE_UNAVAILABLE') this.storeHeard();
  }

  /** The store answered or announced a change. */
  storeHeard(): void {
    this.#contactAt = this.#monotonic();
  }

  decisionLogDropped(lines: number): void {
    this.#logDropped += lines;
  }

  /** The samples of every metric that is counted here. */
  samples() {
    const one = (value: number): Sample[] => [{ labels: {}, value }];
    return {
      decisions: this.#decisions.samples(),
      duration: this.#durations.samples(METRICS.duration.name),
      malformed: one(this.#malformed),
      inFlight: one(this.#waiting),
      unavailable: this.#unavailable.samples(),
      faults: this.#faults.samples(),
      cacheLookups: this.#lookups.samples(),
      cacheLoads: this.#loads.samples(),
      storeReads: this.#reads.samples(METRICS.storeReads.name),
      storeErrors: this.#readErrors.samples(),
      contactAge: one((this.#monotonic() - this.#contactAt) / 1000),
      shadowAllows: this.#shadowAllows.samples(),
      publicRefused: one(this.#publicRefused),
      logDropped: one(this.#logDropped),
    } satisfies Partial<Record<MetricKey, Sample[]>>;
  }
}
