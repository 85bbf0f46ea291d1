/**
 * Every metric: name, kind, labels, meaning. `docs/metrics.md` is made of it, and a test holds the alert rules and the
 * dashboard of `deploy/` to it. Base units; label values come from fixed lists, never from a request.
 */
export interface MetricRow {
  name: `sandgate_${string}`;
  type: 'counter' | 'gauge' | 'histogram';
  /** Label names, each with where its values come from. */
  labels: Readonly<Record<string, string>>;
  help: string;
  /** How those of several processes become one; without it they are summed. */
  across?: 'sum' | 'max' | 'min';
}

const CODE = 'an [error code](errors.md)';

export const METRICS = {
  decisions: {
    name: 'sandgate_decisions_total',
    type: 'counter',
    labels: {
      outcome: '`allow`, `deny`, `preflight`',
      reason: 'a [reason code](reasons.md); of an allow `token`, `public`, `agent` or `shadow`',
    },
    help: 'Checks answered, by outcome and reason.',
  },
  duration: {
    name: 'sandgate_check_duration_seconds',
    type: 'histogram',
    labels: {},
    help: 'From the arrival of a check to its answer, a load from the store included.',
  },
  malformed: {
    name: 'sandgate_checks_malformed_total',
    type: 'counter',
    labels: {},
    help: 'Messages that were no CheckRequest; answered with a gRPC error, which Envoy turns into a 503.',
  },
  inFlight: {
    name: 'sandgate_checks_in_flight',
    type: 'gauge',
    labels: {},
    help: 'Checks that wait for the store; all others are answered at once.',
  },
  unavailable: {
    name: 'sandgate_unavailable_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Checks answered 503 `unavailable`, by what kept the gate from knowing.',
  },
  faults: {
    name: 'sandgate_faults_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Faults of the gate itself; each has a line `check_fault` in the log.',
  },
  cacheLookups: {
    name: 'sandgate_cache_lookups_total',
    type: 'counter',
    labels: { result: '`hit`, `stale`, `absent`, `unavailable`, `miss`' },
    help: 'Look-ups of a policy. stale: past its fresh age, served since the store fails; absent, unavailable: answered from memory; miss: waits for a load.',
  },
  cacheLoads: {
    name: 'sandgate_cache_loads_total',
    type: 'counter',
    labels: { result: '`found`, `stale`, `absent`, `unavailable`' },
    help: 'Loads from the store that ended, one however many checks waited for it. stale: it failed and the old policy was served.',
  },
  cacheLoadsInFlight: {
    name: 'sandgate_cache_loads_in_flight',
    type: 'gauge',
    labels: {},
    help: 'Loads from the store that have not ended.',
  },
  cacheEntries: {
    name: 'sandgate_cache_entries',
    type: 'gauge',
    labels: { kind: '`policy`, `negative` (absent or unreadable ids)' },
    help: 'Sandbox ids held in the cache.',
  },
  storeUp: {
    name: 'sandgate_store_up',
    type: 'gauge',
    across: 'min',
    labels: { store: 'the kind of store, as in `SANDGATE_STORE`' },
    help: '1 while the store says that it is well, else 0; `/readyz` says why not.',
  },
  storeReads: {
    name: 'sandgate_store_read_duration_seconds',
    type: 'histogram',
    labels: {},
    help: 'Reads of one policy from the store that ended, well or not.',
  },
  storeErrors: {
    name: 'sandgate_store_read_errors_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Reads of one policy from the store that failed.',
  },
  contactAge: {
    name: 'sandgate_store_contact_age_seconds',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: 'Since the store last answered a read or announced a change. Grows while nobody asks for anything new.',
  },
  stalenessBound: {
    name: 'sandgate_staleness_bound_seconds',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: 'No answer rests on a policy older than this, whatever fails.',
  },
  sequence: {
    name: 'sandgate_policy_sequence',
    type: 'gauge',
    across: 'min',
    labels: { epoch: 'random, one per life of the store' },
    help: 'The last change of the store that is in force in this gate.',
  },
  ready: {
    name: 'sandgate_ready',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: '1 while `/readyz` says 200, else 0.',
  },
  draining: {
    name: 'sandgate_draining',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: '1 from SIGTERM until the process ends.',
  },
  shadowAllows: {
    name: 'sandgate_shadow_allows_total',
    type: 'counter',
    labels: { reason: '`token_missing`, `token_invalid`' },
    help: 'Denials that were let through, because the sandbox is in shadow mode.',
  },
  logDropped: {
    name: 'sandgate_decision_log_dropped_total',
    type: 'counter',
    labels: {},
    help: 'Lines that the decision log left out to keep to its rate.',
  },
  build: {
    name: 'sandgate_build_info',
    type: 'gauge',
    across: 'max',
    labels: { version: "Sandgate's", node: "Node's" },
    help: 'Always 1.',
  },
} as const satisfies Record<string, MetricRow>;

export type MetricKey = keyof typeof METRICS;

/** Of a supervisor alone (`--processes` above 1), beside the merged metrics of its gate processes. */
export const FLEET_METRICS = {
  up: {
    name: 'sandgate_process_up',
    type: 'gauge',
    labels: { process: '0 and up' },
    help: '1 while the gate process runs, 0 while it is down or being restarted; `/readyz` says why.',
  },
  restarts: {
    name: 'sandgate_process_restarts_total',
    type: 'counter',
    labels: { process: '0 and up' },
    help: 'How often the gate process was started again after it had ended by itself, failed tries included.',
  },
} as const satisfies Record<string, MetricRow>;

/** Upper bounds in seconds: a cached answer takes tens of microseconds, Envoy hangs up after one second. */
export const LATENCY_BUCKETS = [
  25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1,
];

/** Of prom-client's own, those that the rules and the dashboard name; it exports more. */
export const PROCESS_METRICS = {
  process_cpu_seconds_total: 'CPU time of the process, user and system.',
  process_resident_memory_bytes: 'Resident memory.',
  process_start_time_seconds: 'When the process started, since 1970.',
  process_open_fds: 'Open file descriptors (Linux).',
  process_max_fds: 'The limit on them (Linux).',
  nodejs_heap_size_used_bytes: 'Heap in use.',
  nodejs_eventloop_lag_p99_seconds:
    'Delay of the event loop since the last scrape, 99th percentile; about 0.01 when idle.',
  nodejs_gc_duration_seconds: 'Histogram of garbage collections, by `kind`.',
} as const;

/** Envoy's, named by the rules: what no gate can count is that none was asked. */
export const ENVOY_METRICS = {
  envoy_http_ext_authz_error: 'Requests that got a 503, because no gate answered or not in time.',
} as const;
