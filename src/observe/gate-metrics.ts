import type { Decision, Deny, Preflight } from '../decision/decision.ts';
import { REASONS, type Reason } from '../decision/reasons.ts';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import type { CacheLoad, CacheLookup, CacheObserver } from '../policy/cache/cache.ts';
import { Counters, countersBy, LatencyHistogram, type Sample } from './counters.ts';
import { LATENCY_BUCKETS, METRICS, type MetricKey } from './metric-catalogue.ts';

const GRANTS = ['token', 'public', 'agent', 'shadow'] as const;
const LOOKUPS = ['hit', 'stale', 'absent', 'unavailable', 'miss'] as const satisfies readonly CacheLookup[];
const LOADS = ['found', 'stale', 'absent', 'unavailable'] as const satisfies readonly CacheLoad[];
const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
/** `upstream_failed` is Envoy's to say: the gate never sees it. */
const DENIALS = (Object.keys(REASONS) as Reason[]).filter(
  (reason) => reason !== 'preflight' && reason !== 'upstream_failed',
);
/** What shadow mode lets through; nothing else ever is. */
const SHADOWED: Deny['reason'][] = ['token_missing', 'token_invalid'];

const reasonOf = (refusal: Deny | Preflight) => (refusal.kind === 'deny' ? refusal.reason : 'preflight');

/** What one gate counts of itself. Every method is cheap, keeps nothing of its arguments and does not throw. */
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
  #malformed = 0;
  #waiting = 0;
  #logDropped = 0;
  #contactAt: number;

  /** `monotonic`: milliseconds of a clock that only goes forward. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#contactAt = monotonic();
  }

  decided(decision: Decision, durationNs: number): void {
    this.#durations.observe(durationNs / 1e9);
    this.#decisions.add(decision.kind === 'allow' ? decision.grant.by : reasonOf(decision));
    if (decision.kind === 'allow' && decision.grant.by === 'shadow')
      this.#shadowAllows.add(decision.grant.reason);
    // Of the finer words that a denial may carry, only error codes are counted, and these.
    if (decision.kind === 'deny' && decision.reason === 'unavailable') {
      this.#unavailable.add((decision.detail ?? 'INTERNAL') as ErrorCode);
    }
  }

  /** A message that was no CheckRequest. */
  malformed(): void {
    this.#malformed++;
  }

  /** A check began (1) or ended (-1) to wait for the store. */
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

  /** A read of the store ended; `error` where it failed. */
  storeRead(durationMs: number, error?: ErrorCode): void {
    this.#reads.observe(durationMs / 1000);
    if (error !== undefined) this.#readErrors.add(error);
    if (error !== 'STORE_UNAVAILABLE') this.storeHeard();
  }

  /** The store gave a sign of life. */
  storeHeard(): void {
    this.#contactAt = this.#monotonic();
  }

  decisionLogDropped(lines: number): void {
    this.#logDropped += lines;
  }

  /** What was counted, for the metrics that are counted here. */
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
      logDropped: one(this.#logDropped),
    } satisfies Partial<Record<MetricKey, Sample[]>>;
  }
}
