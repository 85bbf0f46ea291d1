import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, formatAddress, ownListenerTest } from './address.ts';
import { readKeysFile } from './admin/api-keys.ts';
import type { AdminListener } from './admin/listener.ts';
import type { PolicyAdmin } from './admin/policy-admin.ts';
import { createStoreAdmin } from './admin/store-admin.ts';
import { createCheckHandler } from './check/handler.ts';
import { runSelfTest } from './check/self-test.ts';
import type { Logger } from './observe/logger.ts';
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
import { waitInForce } from './server/in-force.ts';
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
  /** `unix:/path` or `host:port` of the policy API. */
  readonly admin: string | undefined;
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

/** The policy operations on an open store; writes wait for the gates that live in the state folder. */
export function adminOf(store: PolicyStore, rules: PolicyRules, stateDir: string): PolicyAdmin {
  const inForce = (sequence: number) => waitInForce(stateDir, sequence, systemClock.monotonic);
  return createStoreAdmin({ store, rules, clock: systemClock, random: randomBytes, inForce });
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
  const knownListeners = [...settings.ownListeners, ...listenTcp, ops.address];
  // The API needs the rules, and the rules the port that it gets.
  let isOwnListener = ownListenerTest(knownListeners);
  const rules: PolicyRules = {
    ...rulesOf(settings),
    isOwnListener: (host, port) => isOwnListener(host, port),
  };
  const { freshMs, hardMs, absentMs } = settings;
  const cache = new PolicyCache(store, rules, systemClock, { ...CACHE_TIMES, freshMs, hardMs, absentMs });
  undo.push(() => cache.close());

  const api = await openApi(settings, adminOf(store, rules, settings.stateDir), log);
  undo.push(() => api?.close());
  const adminTcp = api !== undefined && 'host' in api.at ? [api.at] : [];
  const ownListeners = [...knownListeners, ...adminTcp];
  isOwnListener = ownListenerTest(ownListeners);
  const admin = api && ('path' in api.at ? `unix:${api.at.path}` : formatAddress(api.at));

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
      fault: (code, error, requestId) => log.error({ code, requestId, err: error }, 'check_fault'),
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
    });
  }

  const self = identify(process.pid)!;
  writeRun(settings.stateDir, {
    kind: 'gate',
    ...self,
    check: address,
    ...(admin !== undefined && { admin }),
    ops: ops.address,
    domains: settings.domains,
    routing: settings.routing,
    sandboxCidrs: settings.sandboxCidrs,
    ownListeners,
    store: settings.store,
    policyDir: settings.policyDir,
  });
  log.info(
    { check: address, ops: ops.address, admin, stalenessBoundSeconds: cache.stalenessBoundMs() / 1000 },
    'gate_ready',
  );

  return {
    check: address,
    ops: ops.address,
    admin,
    async close(force) {
      draining = true;
      log.info('gate_draining');
      await drain(server, settings.drainMs, force);
      // Its last writes still wait for gates, this one among them.
      await api?.close();
      tls?.close();
      removeRun(settings.stateDir, self.pid);
      await ops.close();
      cache.close();
      await store.close();
      log.info('gate_closed');
    },
  };
}

async function openApi(
  settings: Settings,
  admin: PolicyAdmin,
  log: Logger,
): Promise<AdminListener | undefined> {
  const { admin: at, adminKeysFile, adminHosts: hosts, stateDir } = settings;
  if (at === undefined) return undefined;
  // The commands share this file, and most of them need no HTTP server: it costs 100 ms of CPU to load.
  const { startPolicyApi } = await import('./admin/policy-api.ts');
  const keys = [...settings.adminKeys, ...(adminKeysFile === undefined ? [] : readKeysFile(adminKeysFile))];
  const onFault = (error: unknown) => log.error({ err: error }, 'policy_api_fault');
  const place = (path: string) => socketPlace({ path, access: 'private' }, tmpdir()).path;
  const inState = (name: string) => place(join(stateDir, 'admin', name));
  const listen = 'path' in at ? { path: place(at.path) } : at;
  // Another gate of this state folder may have the place that nobody chose; the run file names this one's.
  const usual = 'path' in listen && listen.path === inState('policy.sock');
  const spare = usual ? inState(`policy-${process.pid}.sock`) : undefined;
  return startPolicyApi({ admin, listen, spare, keys, hosts, onFault });
}
