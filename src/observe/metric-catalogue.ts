/**
 * Every metric: name, type, labels, meaning. `docs/metrics.md` is generated from it, and a test compares the alert rules
 * and the dashboard of `deploy/` with it. Units are base units; label values come from fixed lists, never from requests.
 */
export interface MetricRow {
  name: `sandgate_${string}`;
  type: 'counter' | 'gauge' | 'histogram';
  /** Label names, each with the source of its values. */
  labels: Readonly<Record<string, string>>;
  help: string;
  /** How samples of several processes are merged; `sum` by default. */
  across?: 'sum' | 'max' | 'min';
}

const CODE = 'an [error code](errors.md)';

export const METRICS = {
  decisions: {
    name: 'sandgate_decisions_total',
    type: 'counter',
    labels: {
      outcome: '`allow`, `deny`, `preflight`',
      reason: 'a [reason code](reasons.md); for an allow `token`, `public`, `agent` or `shadow`',
    },
    help: 'Checks answered, by outcome and reason.',
  },
  duration: {
    name: 'sandgate_check_duration_seconds',
    type: 'histogram',
    labels: {},
    help: 'Time from the arrival of a check to its answer, including a load from the store.',
  },
  malformed: {
    name: 'sandgate_checks_malformed_total',
    type: 'counter',
    labels: {},
    help: 'Messages that were not a CheckRequest; answered with a gRPC error, which Envoy turns into a 503.',
  },
  inFlight: {
    name: 'sandgate_checks_in_flight',
    type: 'gauge',
    labels: {},
    help: 'Checks that are waiting for the store; all others are answered immediately.',
  },
  unavailable: {
    name: 'sandgate_unavailable_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Checks answered 503 `unavailable`, by the error that kept the gate from deciding.',
  },
  faults: {
    name: 'sandgate_faults_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Faults of the gate itself; each is logged as `check_fault`.',
  },
  cacheLookups: {
    name: 'sandgate_cache_lookups_total',
    type: 'counter',
    labels: { result: '`hit`, `stale`, `absent`, `unavailable`, `miss`' },
    help: 'Policy look-ups in the cache. stale: past its fresh age, used because the store fails; absent, unavailable: from a negative entry; miss: waits for a load.',
  },
  cacheLoads: {
    name: 'sandgate_cache_loads_total',
    type: 'counter',
    labels: { result: '`found`, `stale`, `absent`, `unavailable`' },
    help: 'Completed loads from the store; one per load, however many checks waited on it. stale: it failed, and the old policy was used.',
  },
  cacheLoadsInFlight: {
    name: 'sandgate_cache_loads_in_flight',
    type: 'gauge',
    labels: {},
    help: 'Loads from the store in progress.',
  },
  cacheEntries: {
    name: 'sandgate_cache_entries',
    type: 'gauge',
    labels: { kind: '`policy`, `negative` (absent or unreadable ids)' },
    help: 'Sandbox ids in the cache.',
  },
  storeUp: {
    name: 'sandgate_store_up',
    type: 'gauge',
    across: 'min',
    labels: { store: 'the kind of store, as in `SANDGATE_STORE`' },
    help: '1 while the store reports no fault, else 0; `/readyz` names the fault.',
  },
  storeUnusable: {
    name: 'sandgate_store_unusable_files',
    type: 'gauge',
    across: 'max',
    labels: { store: 'the kind of store, as in `SANDGATE_STORE`' },
    help: 'Files of `--store files` that cannot be used; `/readyz` names them. Their last good policies stay, or they are 503.',
  },
  storeReads: {
    name: 'sandgate_store_read_duration_seconds',
    type: 'histogram',
    labels: {},
    help: 'Duration of reads of one policy from the store, failed ones included.',
  },
  storeErrors: {
    name: 'sandgate_store_read_errors_total',
    type: 'counter',
    labels: { code: CODE },
    help: 'Failed reads of one policy from the store.',
  },
  contactAge: {
    name: 'sandgate_store_contact_age_seconds',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: 'Time since the store last answered a read or announced a change. Grows while no request needs a read.',
  },
  stalenessBound: {
    name: 'sandgate_staleness_bound_seconds',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: 'Maximum age of a policy behind any answer, whatever fails.',
  },
  sequence: {
    name: 'sandgate_policy_sequence',
    type: 'gauge',
    across: 'min',
    labels: { epoch: 'random; new each time the store is created or restored' },
    help: 'Sequence number of the last change of the store that this gate applies.',
  },
  ready: {
    name: 'sandgate_ready',
    type: 'gauge',
    across: 'max',
    labels: {},
    help: '1 while `/readyz` answers 200, else 0.',
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
    help: 'Requests allowed only because the sandbox is in shadow mode.',
  },
  publicRefused: {
    name: 'sandgate_public_refused_total',
    type: 'counter',
    labels: {},
    help: 'Requests denied only because the deployment refuses public traffic (`--public-traffic refuse`).',
  },
  logDropped: {
    name: 'sandgate_decision_log_dropped_total',
    type: 'counter',
    labels: {},
    help: 'Lines that the decision log dropped because of its rate limit.',
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

/** Metrics of a supervisor (`--processes` above 1), next to the merged metrics of its gate processes. */
export const FLEET_METRICS = {
  up: {
    name: 'sandgate_process_up',
    type: 'gauge',
    labels: { process: '0 and up' },
    help: '1 while the gate process is running, 0 while it is down or restarting; `/readyz` says why.',
  },
  restarts: {
    name: 'sandgate_process_restarts_total',
    type: 'counter',
    labels: { process: '0 and up' },
    help: 'Restarts of the gate process after it ended on its own, failed attempts included.',
  },
} as const satisfies Record<string, MetricRow>;

/** Upper bounds in seconds: a cached answer takes tens of microseconds, and Envoy gives up after one second. */
export const LATENCY_BUCKETS = [
  25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1,
];

/** The metrics of prom-client that the alert rules and the dashboard use; it exports more. */
export const PROCESS_METRICS = {
  process_cpu_seconds_total: 'CPU time of the process, user and system.',
  process_resident_memory_bytes: 'Resident memory.',
  process_start_time_seconds: 'Start time of the process, in seconds since 1970.',
  process_open_fds: 'Open file descriptors (Linux).',
  process_max_fds: 'Limit on open file descriptors (Linux).',
  nodejs_heap_size_used_bytes: 'Heap in use.',
  nodejs_eventloop_lag_p99_seconds:
    '99th percentile of event-loop delay since the last scrape; about 0.01 when idle.',
  nodejs_gc_duration_seconds: 'Histogram of garbage collections, by `kind`.',
} as const;

/** Metrics of Envoy that the alert rules use: no gate can count the checks that reached none. */
export const ENVOY_METRICS = {
  envoy_http_ext_authz_error: 'Requests answered 503 because no gate answered in time.',
  envoy_sds_key_rotation_failed: 'New certificate files that could not be used; the old ones stay.',
  envoy_listener_server_ssl_socket_factory_ssl_context_update_by_sds:
    'Certificate files that the TLS ingress took into use.',
  envoy_cluster_client_ssl_socket_factory_ssl_context_update_by_sds:
    'Certificate files that the connections to the gates took into use.',
  envoy_listener_server_ssl_socket_factory_downstream_context_secrets_not_ready:
    'TLS connections closed because there is no usable certificate.',
  envoy_server_days_until_first_cert_expiring:
    'Days until the first certificate or CA that Envoy uses expires.',
} as const;
