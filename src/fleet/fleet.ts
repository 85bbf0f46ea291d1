import { type Address, formatAddress, formatEndpoint, isLoopback, OwnListeners } from '../address.ts';
import type { Flags } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import { openStore, policyRules, storeAdmin } from '../policy-access.ts';
import { openPolicyApi } from '../policy-api/open-policy-api.ts';
import { startOpsListener } from '../server/ops-listener.ts';
import type { Settings } from '../settings.ts';
import { requireSafeFolder } from '../state/safe-folder.ts';
import type { StopSignal } from '../stop-signal.ts';
import { startWith, Teardown } from '../teardown.ts';
import { type Children, endOrphans, recordChildren } from './children.ts';
import { gateOpsAddresses } from './gate-ops.ts';
import { startGateProcess } from './gate-process.ts';
import { fleetReadiness, type GateView } from './gate-view.ts';
import { fleetMetrics } from './merged-metrics.ts';
import { checkEndpoints, formatListen, processFlags } from './process-flags.ts';
import { RollingRestart } from './rolling-restart.ts';
import { Supervised } from './supervised.ts';

/** Several gate processes under this supervisor, which has one ops listener and one policy API for all of them. */
export interface Fleet {
  /** Where each gate listens, comma-separated, in the form of `envoy config --gate`. */
  readonly check: string;
  readonly ops: Address;
  /** Restarts the gates one by one. A call during a restart causes one more. */
  restart(): void;
  /** Drains all gates and closes everything. */
  close(): Promise<void>;
}

/** Longer than a gate needs, after draining, to close what is still open. */
const CLOSING_MS = 10_000;

/**
 * Starts `settings.processes` gates, each a `serve` with the flags of this one. Throws a SandgateError and leaves nothing
 * running if one of them does not start. `force` kills them at any time.
 */
export async function startFleet(
  settings: Settings,
  flags: Flags,
  log: Logger,
  signals: Pick<StopSignal, 'stop' | 'force'>,
): Promise<Fleet> {
  requireSafeFolder(settings.stateDir);
  const teardown = new Teardown();
  const fleet = await startWith(teardown, () => compose(settings, flags, log, signals, teardown));
  return {
    ...fleet,
    async close() {
      log.info('fleet_draining');
      await teardown.run();
      log.info('fleet_closed');
    },
  };
}

/**
 * Parts are opened in the reverse of the order in which they close: the policy API first, while gates still run to say
 * that its last writes are in force, and the ops listener last.
 */
async function compose(
  settings: Settings,
  flags: Flags,
  log: Logger,
  { stop, force }: Pick<StopSignal, 'stop' | 'force'>,
  teardown: Teardown,
): Promise<Omit<Fleet, 'close'>> {
  const { stateDir, processes, drainMs } = settings;
  await endOrphans(stateDir, (line) => log.warn({ reason: line }, 'orphans_ended'));
  const ops = await gateOps(settings);
  let gates: readonly GateView[] = [];
  const ready = () => fleetReadiness(gates, stop.aborted);
  const opsListener = await startOpsListener(
    settings,
    ready,
    fleetMetrics(() => gates),
  );
  teardown.add('the ops listener', () => opsListener.close());

  let children: Children | undefined;
  teardown.add('the run file', () => children?.forget());
  const killAll = () => children?.killAll();
  force.addEventListener('abort', killAll, { once: true });
  teardown.add('the kill signal', () => force.removeEventListener('abort', killAll));
  const programs: Supervised[] = [];
  teardown.add('the gates', () => Promise.all(programs.map((program) => program.stop())));

  const places = checkEndpoints(settings.listen, processes);
  const tcp = places.flatMap((place) => ('host' in place ? [place] : []));
  const own = new OwnListeners([...settings.ownListeners, ...tcp, opsListener.address, ...ops]);
  const policyApi = await openApi(settings, own, log, teardown);
  children = recordChildren(stateDir, (self) => ({
    kind: 'supervisor',
    ...self,
    ops: opsListener.address,
    ...(policyApi !== undefined && { policyApi }),
  }));

  const ownListeners = own.all.map(formatAddress).join(',');
  const startGate = (n: number) =>
    startGateProcess({
      stateDir,
      flags: processFlags(flags, {
        listen: formatListen(places[n]!),
        ops: formatAddress(ops[n]!),
        ownListeners,
        policyApi: 'off',
        processes: '1',
      }),
      stderr: 'inherit',
      graceMs: drainMs + CLOSING_MS,
      onStart: (pid) => children?.add(pid),
    });
  const starting = places.map(async (_, n) => {
    const down = (reason: string) => log.error({ process: n, reason }, 'gate_process_down');
    programs[n] = await Supervised.start(`gate ${n}`, () => startGate(n), down);
  });
  const failed = (await Promise.allSettled(starting)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  gates = programs.map((program, n) => ({ program, ops: ops[n]! }));

  const rolling = new RollingRestart(programs, drainMs, stop, log);
  return {
    check: places.map(formatListen).join(','),
    ops: opsListener.address,
    restart: () => rolling.request(),
  };
}

/** Only this process and commands on this machine use the gates' ops listeners, so they stay on the loopback. */
function gateOps({ ops: { host, port }, processes }: Settings): Promise<Address[]> {
  const first = { host: isLoopback({ host, port }) ? host : '127.0.0.1', port: port === 0 ? 0 : port + 1 };
  return gateOpsAddresses(first, processes);
}

/** The one policy API for all gates, which outlives each of them. Resolves with where it listens. */
async function openApi(
  settings: Settings,
  own: OwnListeners,
  log: Logger,
  teardown: Teardown,
): Promise<string | undefined> {
  const store = await openStore(settings, log);
  teardown.add('the store', () => store.close());
  const rules = { ...policyRules(settings), isOwnListener: own.include };
  const api = await openPolicyApi(settings, storeAdmin(store, rules, settings.stateDir), log);
  teardown.add('the policy API', () => api?.close());
  own.add(api?.at);
  return api && formatEndpoint(api.at);
}
