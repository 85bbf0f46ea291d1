import { tmpdir } from 'node:os';
import { type Address, formatEndpoint, OwnListeners, parseEndpoint } from './address.ts';
import { createCheckHandler } from './check/handler.ts';
import { runSelfTest } from './check/self-test.ts';
import { createExposition } from './observe/exposition.ts';
import type { Logger } from './observe/logger.ts';
import { Observation } from './observe/observation.ts';
import { packageVersion } from './package-root.ts';
import { CACHE_TIMES, PolicyCache } from './policy/cache/cache.ts';
import { systemClock } from './policy/clock.ts';
import type { PolicyStore } from './policy/store.ts';
import { handlerContext, openStore, policyRules, storeAdmin } from './policy-access.ts';
import { readKeyFile } from './policy-api/keys-file.ts';
import { openPolicyApi } from './policy-api/open-policy-api.ts';
import { startCheckServer } from './server/check-server.ts';
import { openCheckTls } from './server/check-tls.ts';
import { drain } from './server/drain.ts';
import { startOpsListener } from './server/ops-listener.ts';
import { type Settings, sharedSettings } from './settings.ts';
import { identify } from './state/process-identity.ts';
import { type Part, type Readiness, readiness } from './state/readiness.ts';
import { removeRun, writeRun } from './state/run-file.ts';
import { requireSafeFolder } from './state/safe-folder.ts';
import { clearDeadSocket, resolveSocketPath } from './state/socket-path.ts';
import { startWith, Teardown } from './teardown.ts';

/** A gate that runs, from the one composition root. */
export interface Gate {
  /** `unix:/path` or `host:port` that Envoy connects to. */
  readonly check: string;
  readonly ops: Address;
  /** `unix:/path` or `host:port` of the policy API. */
  readonly policyApi: string | undefined;
  /** Drains, unless `force` is or becomes aborted, and closes everything. */
  close(force: AbortSignal): Promise<void>;
}

/**
 * Starts a gate. Throws a SandgateError and leaves nothing open if a part cannot start. `observed: false` (no metrics, no
 * decision log) is for `bench/` only, which measures what they cost.
 */
export function startGate(
  settings: Settings,
  log: Logger,
  { observed = true }: { observed?: boolean } = {},
): Promise<Gate> {
  return startWith(new Teardown(), (teardown) => compose(settings, log, observed, teardown));
}

/**
 * Parts are opened in the reverse of the order in which they close: Check drains first, the policy API waits until its
 * last writes are in force at every gate, this one included, and `/readyz` answers until all of that is done.
 */
async function compose(
  settings: Settings,
  log: Logger,
  observed: boolean,
  teardown: Teardown,
): Promise<Gate> {
  runSelfTest();
  requireSafeFolder(settings.stateDir);
  let listening = false;
  let draining = false;
  // A start that fails has nothing to drain for.
  let forced = AbortSignal.abort();
  const tls = openCheckTls(settings, systemClock.now, log);
  teardown.add('TLS of the Check listener', () => tls?.close());

  const nodeProxyKey = readNodeProxyKey(settings);
  const { logAllows, freshMs, hardMs, absentMs } = settings;
  const observation = new Observation(log, { clock: systemClock, random: Math.random, logAllows });
  teardown.add('the metrics', () => observation.close());
  const store = await openStore(settings, log);
  teardown.add('the store', () => store.close());

  const own = new OwnListeners(settings.ownListeners);
  const rules = { ...policyRules(settings), isOwnListener: own.include };
  const times = { ...CACHE_TIMES, freshMs, hardMs, absentMs };
  const cache = observed
    ? new PolicyCache(observation.timed(store), rules, systemClock, times, observation.metrics)
    : new PolicyCache(store, rules, systemClock, times);
  teardown.add('the cache', () => cache.close());

  const ops = await startOpsListener(settings, () => ready(), observed ? exposition() : undefined);
  teardown.add('the ops listener', () => ops.close());
  own.add(ops.address);
  const self = identify(process.pid)!;
  teardown.add('the run file', () => removeRun(settings.stateDir, self.pid));

  const api = await openPolicyApi(settings, storeAdmin(store, rules, settings.stateDir), log);
  teardown.add('the policy API', () => api?.close());
  own.add(api?.at);
  const policyApi = api && formatEndpoint(api.at);

  const handler = createCheckHandler({
    lookup: (sandboxId) => cache.lookup(sandboxId),
    ...handlerContext(settings, rules),
    nodeProxyKey,
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    log: { fault: observation.onFault },
    onDecision: observed ? observation.onDecision : undefined,
  });
  const listen =
    'path' in settings.listen
      ? resolveSocketPath({ path: settings.listen.path, access: 'group' }, tmpdir())
      : settings.listen;
  if ('path' in listen) teardown.add('the Check socket', () => clearDeadSocket(listen.path));
  const server = await startCheckServer(
    listen,
    observed ? observation.watched(handler) : handler,
    tls?.credentials,
  );
  teardown.add('the Check listener', () => drain(server, settings.drainMs, forced));
  listening = true;
  const { address } = server;
  // With port 0, the port is known only now.
  own.add(parseEndpoint(address));

  function ready(): Readiness {
    const { epoch, sequence } = cache.appliedPosition();
    const concern = draining ? 'draining' : tls?.concern();
    return readiness({
      check: {
        ok: listening && !draining,
        ...(concern !== undefined && { reason: concern }),
        routing: settings.routing,
        tls: tls?.mode ?? 'none',
      },
      store: storePart(store),
      policies: {
        ok: true,
        epoch,
        sequence,
        stalenessBoundSeconds: cache.stalenessBoundMs() / 1000,
        publicTraffic: settings.publicTraffic,
      },
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

  writeRun(settings.stateDir, {
    kind: 'gate',
    ...self,
    check: address,
    ...(policyApi !== undefined && { policyApi }),
    ops: ops.address,
    ...sharedSettings(settings),
    ownListeners: own.all,
    nodeProxies: settings.nodeProxies,
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
      forced = force;
      log.info('gate_draining');
      await teardown.run();
      log.info('gate_closed');
    },
  };
}

function readNodeProxyKey({ nodeProxyKeyFile }: Settings): string | undefined {
  if (nodeProxyKeyFile === undefined) return undefined;
  return readKeyFile(
    nodeProxyKeyFile,
    'SANDGATE_NODE_PROXY_KEY_FILE (--node-proxy-key-file)',
    'name the file whose first line is the key that the node proxies expect',
  );
}

function storePart(store: PolicyStore): Part {
  const { kind } = store;
  const fault = store.fault();
  const unusable = store.unusable();
  if (unusable === undefined)
    return { ok: fault === undefined, kind, ...(fault !== undefined && { reason: fault }) };
  const { count, named } = unusable;
  const bad = `${count} of the policy ${unusable.kind} cannot be used; the last good policies stay, the others are 503`;
  return { ok: fault === undefined, degraded: true, kind, reason: fault ?? bad, unusable: { count, named } };
}
