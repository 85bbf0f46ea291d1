import { tmpdir } from 'node:os';
import { type Address, formatEndpoint, OwnListeners } from './address.ts';
import { createCheckHandler } from './check/handler.ts';
import { runSelfTest } from './check/self-test.ts';
import { createExposition } from './observe/exposition.ts';
import type { Logger } from './observe/logger.ts';
import { Observation } from './observe/observation.ts';
import { packageVersion } from './package-root.ts';
import { CACHE_TIMES, PolicyCache } from './policy/cache/cache.ts';
import { systemClock } from './policy/clock.ts';
import { adminOf, openStore, placeOf, rulesOf } from './policy-access.ts';
import { openPolicyApi } from './policy-api/open-policy-api.ts';
import { type CheckServer, startCheckServer } from './server/check-server.ts';
import { openCheckTls } from './server/check-tls.ts';
import { drain } from './server/drain.ts';
import { startOpsListener } from './server/ops-listener.ts';
import type { Settings } from './settings.ts';
import { identify } from './state/process-identity.ts';
import { type Readiness, readiness } from './state/readiness.ts';
import { removeRun, writeRun } from './state/run-file.ts';
import { socketPlace } from './state/socket-path.ts';

/** The one composition root: a gate from its settings. */
export interface Gate {
  /** `unix:/path` or `host:port` that Envoy asks. */
  readonly check: string;
  readonly ops: Address;
  /** `unix:/path` or `host:port` of the policy API. */
  readonly policyApi: string | undefined;
  /** Drains, unless `force` is or gets aborted, and closes everything. */
  close(force: AbortSignal): Promise<void>;
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
  const tls = openCheckTls(settings, systemClock.now, log);
  undo.push(() => tls?.close());

  const store = await openStore(settings, log);
  undo.push(() => store.close());
  const { logAllows, freshMs, hardMs, absentMs } = settings;
  const observation = new Observation(log, { clock: systemClock, random: Math.random, logAllows });
  undo.push(() => observation.close());
  const ops = await startOpsListener(settings.ops, () => ready(), observed ? exposition() : undefined);
  undo.push(() => ops.close());

  const listenTcp = 'host' in settings.listen ? [settings.listen] : [];
  const own = new OwnListeners([...settings.ownListeners, ...listenTcp, ops.address]);
  const rules = { ...rulesOf(settings), isOwnListener: own.include };
  const times = { ...CACHE_TIMES, freshMs, hardMs, absentMs };
  const cache = observed
    ? new PolicyCache(observation.timed(store), rules, systemClock, times, observation.metrics)
    : new PolicyCache(store, rules, systemClock, times);
  undo.push(() => cache.close());

  const api = await openPolicyApi(settings, adminOf(store, rules, settings.stateDir), log);
  undo.push(() => api?.close());
  own.add(api?.at);
  const policyApi = api && formatEndpoint(api.at);

  const handler = createCheckHandler({
    lookup: (sandboxId) => cache.lookup(sandboxId),
    ...placeOf(settings, rules),
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    log: { fault: observation.onFault },
    onDecision: observed ? observation.onDecision : undefined,
  });
  const listen =
    'path' in settings.listen
      ? socketPlace({ path: settings.listen.path, access: 'group' }, tmpdir())
      : settings.listen;
  server = await startCheckServer(
    listen,
    observed ? observation.watched(handler) : handler,
    tls?.credentials,
  );
  const { address } = server;
  undo.push(() => server?.close(0));

  function ready(): Readiness {
    const { epoch, sequence } = cache.appliedPosition();
    const fault = store.fault();
    const concern = draining ? 'draining' : tls?.concern();
    return readiness({
      check: {
        ok: server !== undefined && !draining,
        ...(concern !== undefined && { reason: concern }),
        routing: settings.routing,
        tls: tls?.mode ?? 'none',
      },
      store: { ok: fault === undefined, kind: store.kind, ...(fault !== undefined && { reason: fault }) },
      policies: { ok: true, epoch, sequence, stalenessBoundSeconds: cache.stalenessBoundMs() / 1000 },
      shadow: {
        ok: true,
        allowed: settings.allowShadow,
        ...(settings.allowShadow && {
          reason: 'access.shadowUntil lets requests without a valid token through',
        }),
        letThrough: observation.shadowed.count(),
        last: observation.shadowed.last(),
      },
    });
  }

  function exposition() {
    const build = { version: packageVersion(), node: process.versions.node };
    return createExposition(observation.metrics, () => ({
      cache,
      store,
      ready: ready().ready,
      draining,
      ...build,
    }));
  }

  const self = identify(process.pid)!;
  writeRun(settings.stateDir, {
    kind: 'gate',
    ...self,
    check: address,
    ...(policyApi !== undefined && { policyApi }),
    ops: ops.address,
    domains: settings.domains,
    routing: settings.routing,
    sandboxCidrs: settings.sandboxCidrs,
    ownListeners: own.all,
    store: settings.store,
    policyDir: settings.policyDir,
    allowShadow: settings.allowShadow,
  });
  if (settings.allowShadow) log.warn({ setting: 'SANDGATE_ALLOW_SHADOW' }, 'shadow_mode_allowed');
  log.info(
    { check: address, ops: ops.address, policyApi, stalenessBoundSeconds: cache.stalenessBoundMs() / 1000 },
    'gate_ready',
  );

  return {
    check: address,
    ops: ops.address,
    policyApi,
    async close(force) {
      draining = true;
      log.info('gate_draining');
      await drain(server, settings.drainMs, force);
      tls?.close();
      // Its last writes still wait for gates, this one among them.
      await api?.close();
      removeRun(settings.stateDir, self.pid);
      await ops.close();
      cache.close();
      await store.close();
      observation.close();
      log.info('gate_closed');
    },
  };
}
