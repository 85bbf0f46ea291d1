import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../address.ts';
import { findEnvoy } from '../envoy/binary.ts';
import { type Children, recordChildren } from '../fleet/children.ts';
import { gateOpsAddresses } from '../fleet/gate-ops.ts';
import { type Running, Supervised } from '../fleet/supervised.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import type { Settings } from '../settings.ts';
import type { DevRun } from '../state/run-file.ts';
import { clearDeadSocket, socketPlace } from '../state/socket-path.ts';
import type { StopSignal } from '../stop-signal.ts';
import { baseDomains } from '../target/domains.ts';
import { ensureCertificates } from './certificates/certificates.ts';
import { startCloudProcess, whyNoCloud } from './cloud-process.ts';
import { startDemoSandbox } from './demo-sandbox.ts';
import { gateFlags, policyApiPlaces, policyApiSockets } from './gate-flags.ts';
import { createLocalEnvoy } from './local-envoy.ts';
import { startLoggedGate } from './logged-gate.ts';
import { endLeftovers, makeStateFolder } from './prepare-state.ts';

/** The local stack, ready: Envoy sees a healthy gate. */
export interface Stack {
  /** With the ports that were really bound. */
  http: readonly Address[];
  https: readonly Address[];
  envoyVersion: string;
  demoPort: number;
  /** Path of the CA certificate, PEM. */
  ca: string;
  /** Of the sandboxes of the local cloud, with the port; undefined where there is none. */
  cloudDomain: string | undefined;
  stop(): Promise<void>;
}

const NOT_APART =
  'sandboxes are NOT kept apart (SANDGATE_ISOLATION=off): their processes see your files, each other, and share your ports';

/** What the run file tells; Envoy's addresses are empty until it listens. */
type Told = Pick<DevRun, 'http' | 'https' | 'client'>;

const READY_WITHIN_MS = 30_000;

/**
 * Starts a demo server, Envoy and the gates. Envoy comes before the gates: only it knows the ports it got, and the
 * gates must never dial those. Nothing is left running when it throws, or when `stop` was asked for meanwhile.
 */
export async function startStack(
  settings: Settings,
  { stop, force }: Pick<StopSignal, 'stop' | 'force'>,
  notice: (line: string) => void,
): Promise<Stack | 'stopped'> {
  makeStateFolder(settings.stateDir, settings.store === 'files' ? [settings.policyDir] : []);
  await endLeftovers(settings.stateDir, notice);
  const told: Told = { http: [], https: [] };
  const children = recordChildren(settings.stateDir, (own) => ({ kind: 'dev', ...own, ...told }));
  const undo: (() => Promise<void> | void)[] = [() => children.forget()];
  const stopAll = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  // However this process ends, unless by SIGKILL: nothing it started outlives it.
  process.once('exit', children.killAll);
  undo.push(() => void process.off('exit', children.killAll));
  force.addEventListener('abort', children.killAll, { once: true });
  // What is starting has nothing to drain: its end makes the start below fail at once.
  stop.addEventListener('abort', children.killAll, { once: true });
  try {
    const stack = await start(settings, children, told, stop, notice, undo);
    stop.removeEventListener('abort', children.killAll);
    if (!stop.aborted) return { ...stack, stop: stopAll };
    await stopAll();
    return 'stopped';
  } catch (error) {
    await stopAll();
    if (stop.aborted) return 'stopped';
    throw error;
  }
}

async function start(
  settings: Settings,
  children: Children,
  told: Told,
  stop: AbortSignal,
  notice: (line: string) => void,
  undo: (() => Promise<void> | void)[],
): Promise<Omit<Stack, 'stop'>> {
  const { stateDir } = settings;
  const binary = await findEnvoy({
    named: settings.envoy,
    searchPath: settings.searchPath,
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: notice,
    stop,
  });
  const certificates = await ensureCertificates(
    join(stateDir, 'certificates'),
    settings.domains,
    Date.now,
    notice,
  );
  const demo = await startDemoSandbox();
  undo.push(() => demo.close());

  const inState = (...names: string[]) =>
    socketPlace({ path: join(stateDir, ...names), access: 'private' }, tmpdir()).path;
  const gateSockets = Array.from({ length: settings.gates }, (_, n) => inState('check', `gate-${n}.sock`));
  const noCloud = whyNoCloud(settings, process.platform);
  if (noCloud !== undefined && settings.cloud) notice(`there is no local cloud: ${noCloud}`);
  if (noCloud === undefined && !settings.isolation) notice(NOT_APART);
  const cloudSocket = inState('cloud', 'api.sock');
  const domains = baseDomains(settings.domains);
  const hosts = domains.map((domain) => `api.${domain}`);
  const envoy = createLocalEnvoy(settings.http, settings.https, {
    stateDir,
    binary: binary.path,
    adminSocket: inState('envoy', 'admin.sock'),
    gateSockets,
    certificates,
    controlPlane: noCloud === undefined ? { path: cloudSocket, hosts } : undefined,
    onStart: (pid) => children.add(pid),
  });
  const ops = await gateOpsAddresses(settings.ops, settings.gates);
  const policyApi = await policyApiPlaces(settings);
  const policyApis = policyApiSockets(policyApi.places, tmpdir());
  const policyApiPaths = policyApis.map((place) => place.slice('unix:'.length));
  // What is killed while it starts must not come back.
  const keep = async (name: string, run: () => Promise<Running>) =>
    (await Supervised.start(name, run, notice)).endWith(stop);
  const envoyKeeper = await keep('Envoy', () => envoy.run());
  const gates: { stop(): Promise<void> }[] = [];
  undo.push(async () => {
    // The door closes before those who answer for it.
    await envoyKeeper.stop();
    await Promise.all(gates.map((gate) => gate.stop()));
    // They were killed, and could not take them away.
    for (const path of [...gateSockets, ...policyApiPaths]) await clearDeadSocket(path);
  });
  Object.assign(told, { http: envoy.http, https: envoy.https });
  children.write();
  const ownListeners = [...envoy.http, ...envoy.https, ...ops, ...policyApi.tcp];
  const startGate = (socket: string, n: number) => {
    const place = { socket, ops: ops[n]!, policyApi: policyApi.places[n]!, ownListeners };
    return startLoggedGate(join(stateDir, 'logs', `gate-${n}.log`), {
      stateDir,
      flags: gateFlags(settings, place),
      onStart: (pid) => children.add(pid),
    });
  };
  const starting = gateSockets.map(async (socket, n) => {
    gates.push(await keep(`gate ${n}`, () => startGate(socket, n)));
  });
  const failed = (await Promise.allSettled(starting)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  await envoy.waitForGate(READY_WITHIN_MS);
  const cloudDomain = noCloud === undefined ? `${domains[0]}:${envoy.https[0]!.port}` : undefined;
  if (cloudDomain !== undefined) {
    const options = {
      ...{
        settings,
        domains,
        socket: cloudSocket,
        domain: cloudDomain,
        logFile: join(stateDir, 'logs', 'cloud.log'),
      },
      policyApis,
      onStart: (pid: number) => children.add(pid),
    };
    const cloud = await keep('the local cloud', () => startCloudProcess(options)).catch((error) => {
      // Usual in a container. The gate needs no sandboxes of ours.
      if (error?.code !== 'ISOLATION_UNAVAILABLE') throw error;
      notice(`there is no local cloud: ${error.message}`);
      notice(`fix: ${error.remedy}`);
    });
    if (cloud !== undefined) {
      // Before the gates: it takes its policies back.
      undo.push(() => cloud.stop());
      told.client = {
        domain: cloudDomain,
        ca: certificates.ca,
        addresses: envoy.https.filter(({ port }) => port === envoy.https[0]!.port).map(({ host }) => host),
      };
      children.write();
    }
  }
  return {
    http: envoy.http,
    https: envoy.https,
    envoyVersion: binary.version,
    demoPort: demo.port,
    ca: certificates.ca,
    cloudDomain: told.client && cloudDomain,
  };
}
