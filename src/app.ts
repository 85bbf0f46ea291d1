import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, ownListenerTest } from './address.ts';
import { type CheckHandlerOptions, createCheckHandler } from './check/handler.ts';
import { runSelfTest } from './check/self-test.ts';
import { DecisionLog } from './observe/decision-log.ts';
import type { Logger } from './observe/logger.ts';
import { ShadowTally } from './observe/shadow-tally.ts';
import { CACHE_TIMES, PolicyCache } from './policy/cache.ts';
import { systemClock } from './policy/clock.ts';
import { openFilesStore } from './policy/files-store.ts';
import { parseNetworks } from './policy/network.ts';
import type { PolicyRules } from './policy/rules.ts';
import { openSqliteStore } from './policy/sqlite-store.ts';
import type { PolicyStore } from './policy/store.ts';
import { CheckTls } from './server/check-tls.ts';
import { drain } from './server/drain.ts';
import { type CheckServer, startCheckServer } from './server/grpc-server.ts';
import { startOpsListener } from './server/ops-listener.ts';
import { identify } from './server/process-identity.ts';
import { type Readiness, readiness } from './server/readiness.ts';
import { removeRun, writeRun } from './server/run-file.ts';
import { socketPlace } from './server/socket-path.ts';
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

/** What a gate of these settings knows of its own place; `explain` asks from the same one. */
export function placeOf(
  settings: Pick<Settings, 'domains' | 'routing' | 'allowShadow'>,
  { isOwnListener }: PolicyRules,
): Pick<CheckHandlerOptions, 'domains' | 'site'> {
  const { domains, routing, allowShadow } = settings;
  return {
    domains: parseDomains(domains),
    site: { routing, defaultDomain: defaultDomain(domains), isOwnListener, allowShadow },
  };
}

/** Opens the store that the settings name. Throws STATE_UNUSABLE, STORE_CORRUPT or STORE_UNAVAILABLE. */
export async function openStore(settings: Settings, log?: Logger, create = true): Promise<PolicyStore> {
  const common = { clock: systemClock, random: randomBytes };
  switch (settings.store) {
    case 'embedded':
      return openSqliteStore({
        ...common,
        path: databaseOf(settings),
        routing: settings.routing,
        create,
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

/** The store as it is, for one look; undefined where there is none yet: it is not made. Throws as `openStore`. */
export async function findStore(settings: Settings): Promise<PolicyStore | undefined> {
  if (settings.store === 'embedded' && !existsSync(databaseOf(settings))) return undefined;
  return openStore(settings, undefined, false);
}

function databaseOf({ stateDir }: Settings): string {
  return join(stateDir, 'policies.db');
}

/** Starts a gate. Throws a SandgateError and leaves nothing open when a part of it cannot start. */
export async function startGate(settings: Settings, log: Logger): Promise<Gate> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await compose(settings, log, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

/** TLS of the Check listener where the settings name files for it. Throws TLS_UNUSABLE. */
function checkTls(settings: Settings, log: Logger): CheckTls | undefined {
  const { checkTlsCertificate: certificate, checkTlsKey: key, checkTlsClientCa: clientCa } = settings;
  if (certificate === undefined || key === undefined) return undefined;
  return new CheckTls({
    files: { certificate, key, clientCa },
    now: systemClock.now,
    onReload: () => log.info('check_tls_reloaded'),
    onFault: (reason) => log.error({ reason }, 'check_tls_reload_failed'),
  });
}

async function compose(settings: Settings, log: Logger, undo: (() => Promise<void> | void)[]): Promise<Gate> {
  runSelfTest();
  let draining = false;
  let server: CheckServer | undefined;
  const tls = checkTls(settings, log);
  undo.push(() => tls?.close());

  const store = await openStore(settings, log);
  undo.push(() => store.close());
  const ops = await startOpsListener(settings.ops, () => ready());
  undo.push(() => ops.close());

  const listenTcp = 'host' in settings.listen ? [settings.listen] : [];
  const ownListeners = [...settings.ownListeners, ...listenTcp, ops.address];
  const rules = rulesOf({ ...settings, ownListeners });
  const { freshMs, hardMs, absentMs } = settings;
  const cache = new PolicyCache(store, rules, systemClock, { ...CACHE_TIMES, freshMs, hardMs, absentMs });
  undo.push(() => cache.close());

  const shadowed = new ShadowTally(systemClock.now);
  const decisions = new DecisionLog(log, {
    allowShare: settings.logAllows,
    random: Math.random,
    monotonic: systemClock.monotonic,
  });
  undo.push(() => decisions.close());

  const handler = createCheckHandler({
    lookup: (sandboxId) => cache.lookup(sandboxId),
    ...placeOf(settings, rules),
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    log: {
      fault: (code, error, requestId) => log.error({ code, requestId, err: error }, 'check_fault'),
    },
    onDecision: (decision, request, durationNs) => {
      shadowed.note(decision);
      decisions.note(decision, request, durationNs);
    },
  });
  const listen =
    'path' in settings.listen
      ? socketPlace({ path: settings.listen.path, access: 'group' }, tmpdir())
      : settings.listen;
  server = await startCheckServer(listen, handler, tls?.credentials);
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
        letThrough: shadowed.count(),
        last: shadowed.last(),
      },
    });
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
    allowShadow: settings.allowShadow,
  });
  if (settings.allowShadow) log.warn({ setting: 'SANDGATE_ALLOW_SHADOW' }, 'shadow_mode_allowed');
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
      tls?.close();
      removeRun(settings.stateDir, self.pid);
      await ops.close();
      cache.close();
      await store.close();
      decisions.close();
      log.info('gate_closed');
    },
  };
}
