import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../address.ts';
import type { Flags } from '../config.ts';
import { findEnvoy } from '../envoy/binary.ts';
import { capacityOf, fileLimit } from '../envoy/capacity.ts';
import { type Children, recordChildren } from '../fleet/children.ts';
import { gateOpsAddresses } from '../fleet/gate-ops.ts';
import { type Running, Supervised } from '../fleet/supervised.ts';
import { secretFile } from '../folder.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { NO_ISOLATION_NOTICE, type Settings } from '../settings.ts';
import type { DevRun } from '../state/run-file.ts';
import { clearDeadSocket, prepareSocketFolder, resolveSocketPath } from '../state/socket-path.ts';
import type { StopSignal } from '../stop-signal.ts';
import { baseDomains } from '../target/domains.ts';
import { startWith, Teardown } from '../teardown.ts';
import { ensureCertificates, keepCertificates } from './certificates/certificates.ts';
import { startCloudProcess, whyNoCloud } from './cloud-process.ts';
import { startDemoSandbox } from './demo-sandbox.ts';
import { ownFlags, policyApiEndpoints, policyApiSockets } from './gate-flags.ts';
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
  /** Domain and port of the local cloud's sandboxes; undefined if there is no local cloud. */
  cloudDomain: string | undefined;
  stop(): Promise<void>;
}

/** What commands read in the run file; Envoy's addresses are empty until it listens. */
type RunInfo = Pick<DevRun, 'http' | 'https' | 'client'>;

const READY_WITHIN_MS = 30_000;

/** The command line of a gate, from the flags that are its own. */
type GateFlags = (own: Flags) => string[];

/**
 * Starts a demo server, Envoy and the gates. Envoy comes before the gates: only Envoy knows which ports it got, and the
 * gates must never dial those. Leaves nothing running if it throws, or if `stop` is aborted during the start.
 */
export async function startStack(
  settings: Settings,
  gateFlags: GateFlags,
  { stop, force }: Pick<StopSignal, 'stop' | 'force'>,
  notice: (line: string) => void,
): Promise<Stack | 'stopped'> {
  makeStateFolder(settings.stateDir, settings.store === 'files' ? [settings.policyDir] : []);
  await endLeftovers(settings.stateDir, notice);
  const info: RunInfo = { http: [], https: [] };
  const children = recordChildren(settings.stateDir, (own) => ({ kind: 'dev', ...own, ...info }));
  const teardown = new Teardown();
  teardown.add('the run file', () => children.forget());
  // However this process ends, except by SIGKILL, nothing that it started outlives it.
  process.once('exit', children.killAll);
  teardown.add('the exit handler', () => process.off('exit', children.killAll));
  force.addEventListener('abort', children.killAll, { once: true });
  // A part that is starting has nothing to drain: killing it makes the start below fail at once.
  stop.addEventListener('abort', children.killAll, { once: true });
  try {
    const stack = await startWith(teardown, () =>
      start(settings, gateFlags, children, info, stop, notice, teardown),
    );
    stop.removeEventListener('abort', children.killAll);
    if (!stop.aborted) return { ...stack, stop: () => teardown.run() };
    await teardown.run();
    return 'stopped';
  } catch (error) {
    if (stop.aborted) return 'stopped';
    throw error;
  }
}

/** Parts are opened in the reverse of the order in which they close: the local cloud and Envoy first, then the gates. */
async function start(
  settings: Settings,
  gateFlags: GateFlags,
  children: Children,
  info: RunInfo,
  stop: AbortSignal,
  notice: (line: string) => void,
  teardown: Teardown,
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
  const wanted = [join(stateDir, 'certificates'), settings.domains, Date.now, notice] as const;
  const certificates = await ensureCertificates(...wanted);
  teardown.add('the renewal of certificates', keepCertificates(...wanted));
  const demo = await startDemoSandbox();
  teardown.add('the demo server', () => demo.close());

  const inState = (...names: string[]) =>
    resolveSocketPath({ path: join(stateDir, ...names), access: 'private' }, tmpdir()).path;
  const gateSockets: string[] = [];
  for (let n = 0; n < settings.gates; n++) {
    const socket = resolveSocketPath(
      { path: join(stateDir, 'check', `gate-${n}.sock`), access: 'group' },
      tmpdir(),
    );
    // Before Envoy starts: it connects to whatever listens there.
    await prepareSocketFolder(socket);
    gateSockets.push(socket.path);
  }
  const noCloud = whyNoCloud(settings, process.platform);
  if (noCloud !== undefined && settings.cloud) notice(`there is no local cloud: ${noCloud}`);
  if (noCloud === undefined && !settings.isolation) notice(NO_ISOLATION_NOTICE);
  const cloudSocket = inState('cloud', 'api.sock');
  const domains = baseDomains(settings.domains);
  const hosts = domains.map((domain) => `api.${domain}`);
  const adminSocket = inState('envoy', 'admin.sock');
  const envoy = createLocalEnvoy(settings.http, settings.https, {
    stateDir,
    binary: binary.path,
    adminSocket,
    gateSockets,
    certificates,
    controlPlane: noCloud === undefined ? { path: cloudSocket, hosts } : undefined,
    capacity: capacityOf(settings.maxHeapMib, fileLimit()),
    onStart: (pid) => children.add(pid),
  });
  const ops = await gateOpsAddresses(settings.ops, settings.gates);
  const policyApi = await policyApiEndpoints(settings);
  // Chosen here, so that the gates know it, and so that it stays the same when the local cloud restarts.
  const [nodeProxy] = await gateOpsAddresses({ host: '127.0.0.1', port: 0 }, 1);
  const nodeProxyKeyFile = join(stateDir, 'cloud', 'node-proxy-key');
  // A new one each time: a program that takes the port while the local cloud is down learns it.
  secretFile(nodeProxyKeyFile, /^[0-9a-f]{64}$/, () => randomBytes(32).toString('hex'), true);
  const policyApis = policyApiSockets(policyApi.endpoints, tmpdir());
  const policyApiPaths = policyApis.map((place) => place.slice('unix:'.length));
  // Once `stop` is aborted, a part that was killed while it started must not come back.
  const supervise = async (name: string, run: () => Promise<Running>) =>
    (await Supervised.start(name, run, notice)).endWith(stop);
  // Parts that were killed could not remove their sockets.
  teardown.add('the sockets', async () => {
    const sockets = [...gateSockets, ...policyApiPaths, cloudSocket, adminSocket];
    for (const path of sockets) await clearDeadSocket(path);
  });
  const gates: Supervised[] = [];
  teardown.add('the gates', () => Promise.all(gates.map((gate) => gate.stop())));
  const supervisedEnvoy = await supervise('Envoy', () => envoy.run());
  teardown.add('Envoy', () => supervisedEnvoy.stop());
  Object.assign(info, { http: envoy.http, https: envoy.https });
  children.write();
  const listeners = [...envoy.http, ...envoy.https, ...ops, ...policyApi.tcp];
  const shared = {
    ownListeners: [...settings.ownListeners, ...listeners],
    nodeProxies: [...settings.nodeProxies, nodeProxy!],
    nodeProxyKeyFile,
  };
  const startGate = (socket: string, n: number) => {
    const endpoints = { socket, ops: ops[n]!, policyApi: policyApi.endpoints[n]!, ...shared };
    return startLoggedGate(join(stateDir, 'logs', `gate-${n}.log`), {
      stateDir,
      flags: gateFlags(ownFlags(endpoints)),
      onStart: (pid) => children.add(pid),
    });
  };
  const starting = gateSockets.map(async (socket, n) => {
    gates.push(await supervise(`gate ${n}`, () => startGate(socket, n)));
  });
  const failed = (await Promise.allSettled(starting)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  await envoy.waitForGate(READY_WITHIN_MS);
  const cloudDomain = noCloud === undefined ? `${domains[0]}:${envoy.https[0]!.port}` : undefined;
  if (cloudDomain !== undefined) {
    const options = {
      ...{
        settings,
        nodeProxyPort: nodeProxy!.port,
        nodeProxyKeyFile,
        socket: cloudSocket,
        domain: cloudDomain,
        logFile: join(stateDir, 'logs', 'cloud.log'),
      },
      policyApis,
      onStart: (pid: number) => children.add(pid),
    };
    const cloud = await supervise('the local cloud', () => startCloudProcess(options)).catch((error) => {
      // Common in a container, and the gate works without the local cloud.
      if (error?.code !== 'ISOLATION_UNAVAILABLE') throw error;
      notice(`there is no local cloud: ${error.message}`);
      notice(`fix: ${error.remedy}`);
    });
    if (cloud !== undefined) {
      // It stops before the gates, because it deletes its policies through them.
      teardown.add('the local cloud', () => cloud.stop());
      info.client = {
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
    cloudDomain: info.client && cloudDomain,
  };
}
