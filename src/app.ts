import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, ownListenerTest } from './address.ts';
import { createCheckHandler } from './check/handler.ts';
import { runSelfTest } from './check/self-test.ts';
import { tellAll } from './observe/decision-observer.ts';
import { createExposition } from './observe/exposition.ts';
import { GateMetrics } from './observe/gate-metrics.ts';
import type { Logger } from './observe/logger.ts';
import { timedReads } from './observe/timed-reads.ts';
import { watchedCheck } from './observe/watched-check.ts';
import { packageVersion } from './package-root.ts';
import { CACHE_TIMES, PolicyCache } from './policy/cache.ts';
import { systemClock } from './policy/clock.ts';
import { openFilesStore } from './policy/files-store.ts';
import { parseNetworks } from './policy/network.ts';
import type { PolicyRules } from './policy/rules.ts';
import { openSqliteStore } from './policy/sqlite-store.ts';
import type { PolicyStore } from './policy/store.ts';
import { drain } from './server/drain.ts';
import { type CheckServer, startCheckServer } from './server/grpc-server.ts';
import { startOpsListener } from './server/ops-listener.ts';
import { identify } from './server/process-identity.ts';
import { type Readiness, readiness } from './server/readiness.ts';
import { removeRun, writeRun } from './server/run-file.ts';
import { socketPath } from './server/socket-path.ts';
import type { Settings } from './settings.ts';
import { defaultDomain, parseDomains } from './target/domains.ts';

/** The one composition root: a gate from its settings. */
export interface Gate {
  /** `unix:/path` or `host:port` that Envoy asks. */
  readonly check: string;
  readonly ops: Address;
  /** Drains, unless `force` is or gets aborted, and closes everything. */
  close(force: AbortSignal): Promise<void>;
}

/** What a policy may say under these settings. */
export function rulesOf(settings: Pick<Settings, 'routing' | 'sandboxCidrs' | 'ownListeners'>): PolicyRules {
  return {
    routing: settings.routing,
    networks: parseNetworks(settings.sandboxCidrs),
    isOwnListener: ownListenerTest(settings.ownListeners),
  };
}

/** Opens the store that the settings name. Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE. */
export async function openStore(settings: Settings, log?: Logger): Promise<PolicyStore> {
  const common = { clock: systemClock, random: randomBytes };
  switch (settings.store) {
    case 'embedded':
      return openSqliteStore({
        ...common,
        path: join(settings.stateDir, 'policies.db'),
        routing: settings.routing,
      });
    case 'files':
      return openFilesStore({
        ...common,
        folder: settings.policyDir,
        rules: rulesOf(settings),
        onEvent: ({ name, ...facts }) => log?.warn(facts, name),
      });
    default:
      return settings.store satisfies never;
  }
}

/**
 * Starts a gate. Throws a SandgateError and leaves nothing open when a part of it cannot start. `observed: false`, no
 * metrics and no decision log, is for `bench/` alone: it measures what they cost.
 */
export async function startGate(
  settings: Settings,
  log: Logger,
  { observed = true }: { observed?: boolean } = {},
): Promise<Gate> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await compose(settings, log, observed, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function compose(
  settings: Settings,
  log: Logger,
  observed: boolean,
  undo: (() => Promise<void> | void)[],
): Promise<Gate> {
  runSelfTest();
  let draining = false;
  let server: CheckServer | undefined;

  const store = await openStore(settings, log);
  undo.push(() => store.close());
  const metrics = new GateMetrics(systemClock.monotonic);
  const source = observed ? timedReads(store, metrics, systemClock.monotonic) : store;
  const ops = await startOpsListener(settings.ops, () => ready(), observed ? exposition() : undefined);
  undo.push(() => ops.close());

  const listenTcp = 'host' in settings.listen ? [settings.listen] : [];
  const ownListeners = [...settings.ownListeners, ...listenTcp, ops.address];
  const rules = rulesOf({ ...settings, ownListeners });
  const { freshMs, hardMs, absentMs } = settings;
  const times = { ...CACHE_TIMES, freshMs, hardMs, absentMs };
  const cache = new PolicyCache(source, rules, systemClock, times, observed ? metrics : undefined);
  undo.push(() => cache.close());

  const handler = createCheckHandler({
    lookup: (sandboxId) => cache.lookup(sandboxId),
    domains: parseDomains(settings.domains),
    site: {
      routing: settings.routing,
      defaultDomain: defaultDomain(settings.domains),
      isOwnListener: rules.isOwnListener,
    },
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    log: {
      fault(code, error, requestId) {
        metrics.fault(code);
        log.error({ code, requestId, err: error }, 'check_fault');
      },
    },
    onDecision: observed
      ? tellAll((decision, _request, durationNs) => metrics.decided(decision, durationNs))
      : undefined,
  });
  const listen =
    'path' in settings.listen ? { path: socketPath(settings.listen.path, tmpdir()) } : settings.listen;
  server = await startCheckServer(listen, observed ? watchedCheck(handler, metrics) : handler);
  const { address } = server;
  undo.push(() => server?.close(0));

  function ready(): Readiness {
    const { epoch, sequence } = cache.appliedPosition();
    const fault = store.fault();
    return readiness({
      check: {
        ok: server !== undefined && !draining,
        ...(draining && { reason: 'draining' }),
        routing: settings.routing,
      },
      store: { ok: fault === undefined, kind: store.kind, ...(fault !== undefined && { reason: fault }) },
      policies: { ok: true, epoch, sequence, stalenessBoundSeconds: cache.stalenessBoundMs() / 1000 },
    });
  }

  function exposition() {
    const build = { version: packageVersion(), node: process.versions.node };
    return createExposition(metrics, () => ({ cache, store, ready: ready().ready, draining, ...build }));
  }

  const self = identify(process.pid)!;
  writeRun(settings.stateDir, {
    kind: 'gate',
    ...self,
    check: address,
    ops: ops.address,
    domains: settings.domains,
    routing: settings.routing,
    sandboxCidrs: settings.sandboxCidrs,
    ownListeners,
    store: settings.store,
    policyDir: settings.policyDir,
  });
  log.info(
    { check: address, ops: ops.address, stalenessBoundSeconds: cache.stalenessBoundMs() / 1000 },
    'gate_ready',
  );

  return {
    check: address,
    ops: ops.address,
    async close(force) {
      draining = true;
      log.info('gate_draining');
      await drain(server, settings.drainMs, force);
      removeRun(settings.stateDir, self.pid);
      await ops.close();
      cache.close();
      await store.close();
      log.info('gate_closed');
    },
  };
}
