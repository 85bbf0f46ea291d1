import { type Address, formatAddress, formatEndpoint, isLoopback, OwnListeners } from '../address.ts';
import type { Flags } from '../config.ts';
import type { Logger } from '../observe/logger.ts';
import { adminOf, openStore, rulesOf } from '../policy-access.ts';
import { openPolicyApi } from '../policy-api/open-policy-api.ts';
import { startOpsListener } from '../server/ops-listener.ts';
import type { Settings } from '../settings.ts';
import type { StopSignal } from '../stop-signal.ts';
import { endOrphans, recordChildren } from './children.ts';
import { gateOpsAddresses } from './gate-ops.ts';
import { startGateProcess } from './gate-process.ts';
import { fleetReadiness, type GateView } from './gate-view.ts';
import { fleetMetrics } from './merged-metrics.ts';
import { checkPlaces, placeText, processFlags } from './process-flags.ts';
import { RollingRestart } from './rolling-restart.ts';
import { Supervised } from './supervised.ts';

/** Several gate processes under this one, which answers for them on one ops listener and one policy API. */
export interface Fleet {
  /** Where each gate listens, comma-separated, as `envoy config --gate` takes it. */
  readonly check: string;
  readonly ops: Address;
  /** Restarts the gates one by one; asked again meanwhile, it does so once more. */
  restart(): void;
  /** Drains all gates and closes everything. */
  close(): Promise<void>;
}

/** Longer than a gate takes for what is still open once it has drained. */
const CLOSING_MS = 10_000;

/**
 * Starts `settings.processes` gates, each a `serve` with the flags of this one. Throws a SandgateError and leaves
 * nothing running when one of them does not start. `force` kills them at any time.
 */
export async function startFleet(
  settings: Settings,
  flags: Flags,
  log: Logger,
  signals: Pick<StopSignal, 'stop' | 'force'>,
): Promise<Fleet> {
  const undo: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const fleet = await compose(settings, flags, log, signals, undo);
    return {
      ...fleet,
      async close() {
        log.info('fleet_draining');
        await close();
        log.info('fleet_closed');
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function compose(
  settings: Settings,
  flags: Flags,
  log: Logger,
  { stop, force }: Pick<StopSignal, 'stop' | 'force'>,
  undo: (() => Promise<void> | void)[],
): Promise<Omit<Fleet, 'close'>> {
  const { stateDir, processes, drainMs } = settings;
  await endOrphans(stateDir, (line) => log.warn({ reason: line }, 'orphans_ended'));
  const ops = await gateOps(settings);
  let gates: readonly GateView[] = [];
  const ready = () => fleetReadiness(gates, stop.aborted);
  const opsListener = await startOpsListener(
    settings.ops,
    ready,
    fleetMetrics(() => gates),
  );
  undo.push(() => opsListener.close());

  const places = checkPlaces(settings.listen, processes);
  const tcp = places.flatMap((place) => ('host' in place ? [place] : []));
  const own = new OwnListeners([...settings.ownListeners, ...tcp, opsListener.address, ...ops]);
  const { policyApi, closeApi } = await openApi(settings, own, log, undo);
  const children = recordChildren(stateDir, (self) => ({
    kind: 'supervisor',
    ...self,
    ops: opsListener.address,
    ...(policyApi !== undefined && { policyApi }),
  }));
  undo.push(() => children.forget());
  force.addEventListener('abort', children.killAll, { once: true });
  undo.push(() => force.removeEventListener('abort', children.killAll));

  const ownListeners = own.all.map(formatAddress).join(',');
  const startGate = (n: number) =>
    startGateProcess({
      stateDir,
      flags: processFlags(flags, {
        listen: placeText(places[n]!),
        ops: formatAddress(ops[n]!),
        ownListeners,
        policyApi: 'off',
        processes: '1',
      }),
      stderr: 'inherit',
      graceMs: drainMs + CLOSING_MS,
      onStart: (pid) => children.add(pid),
    });
  const programs: Supervised[] = [];
  undo.push(async () => {
    // While gates are still there to say that the last writes are in force.
    await closeApi();
    await Promise.all(programs.map((program) => program.stop()));
  });
  const starting = places.map(async (_, n) => {
    const down = (reason: string) => log.error({ process: n, reason }, 'gate_process_down');
    programs[n] = await Supervised.start(`gate ${n}`, () => startGate(n), down);
  });
  const failed = (await Promise.allSettled(starting)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  gates = programs.map((program, n) => ({ program, ops: ops[n]! }));

  const rolling = new RollingRestart(programs, drainMs, stop, log);
  return { check: places.map(placeText).join(','), ops: opsListener.address, restart: () => rolling.ask() };
}

/** Gates are asked by this process and by commands beside it, so their listeners stay on this machine. */
function gateOps({ ops: { host, port }, processes }: Settings): Promise<Address[]> {
  const first = { host: isLoopback({ host, port }) ? host : '127.0.0.1', port: port === 0 ? 0 : port + 1 };
  return gateOpsAddresses(first, processes);
}

/** The policy API of all gates: it is here, so that the end of none of them takes it away. */
async function openApi(
  settings: Settings,
  own: OwnListeners,
  log: Logger,
  undo: (() => Promise<void> | void)[],
) {
  const store = await openStore(settings, log);
  undo.push(() => store.close());
  const rules = { ...rulesOf(settings), isOwnListener: own.include };
  const api = await openPolicyApi(settings, adminOf(store, rules, settings.stateDir), log);
  const closeApi = async () => api?.close();
  undo.push(closeApi);
  own.add(api?.at);
  return { policyApi: api && formatEndpoint(api.at), closeApi };
}
