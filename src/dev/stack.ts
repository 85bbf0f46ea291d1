import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Address } from '../address.ts';
import { findEnvoy } from '../envoy/binary.ts';
import { PACKAGE_ROOT } from '../package-root.ts';
import { socketPath } from '../server/socket-path.ts';
import type { Settings } from '../settings.ts';
import { ensureCertificates } from './certificates.ts';
import { recordChildren } from './children.ts';
import { startDemoSandbox } from './demo-sandbox.ts';
import { gateAdminPlaces } from './gate-admin.ts';
import { gateOpsAddresses } from './gate-ops.ts';
import { startGateProcess } from './gate-process.ts';
import { endLeftovers } from './leftovers.ts';
import { createLocalEnvoy } from './local-envoy.ts';
import { makeStateFolder } from './state-folder.ts';
import { supervise } from './supervisor.ts';

/** The local stack, ready: Envoy sees a healthy gate. */
export interface Stack {
  /** With the ports that were really bound. */
  http: readonly Address[];
  https: readonly Address[];
  envoyVersion: string;
  demoPort: number;
  /** Path of the CA certificate, PEM. */
  ca: string;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

/**
 * Starts a demo server, Envoy and the gates. Envoy comes before the gates: only it knows the ports it got, and the
 * gates must never dial those. Nothing is left running when it throws, or when `stop` was asked for meanwhile.
 */
export async function startStack(
  settings: Settings,
  stop: AbortSignal,
  notice: (line: string) => void,
): Promise<Stack | 'stopped'> {
  const undo: (() => Promise<void> | void)[] = [];
  const stopAll = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const stack = await start(settings, notice, undo);
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
  notice: (line: string) => void,
  undo: (() => Promise<void> | void)[],
): Promise<Omit<Stack, 'stop'>> {
  const { stateDir } = settings;
  makeStateFolder(stateDir, settings.store === 'files' ? [settings.policyDir] : []);
  await endLeftovers(stateDir, notice);
  const children = recordChildren(stateDir);
  undo.push(() => children.forget());

  const binary = await findEnvoy({
    named: settings.envoy,
    searchPath: settings.searchPath,
    cacheDir: join(PACKAGE_ROOT, '.cache'),
    platform: process.platform,
    arch: process.arch,
    onProgress: notice,
  });
  const certificates = await ensureCertificates(
    join(stateDir, 'certificates'),
    settings.domains,
    Date.now,
    notice,
  );
  const demo = await startDemoSandbox();
  undo.push(() => demo.close());

  const inState = (...names: string[]) => socketPath(join(stateDir, ...names), tmpdir());
  const gateSockets = Array.from({ length: settings.gates }, (_, n) => inState('check', `gate-${n}.sock`));
  const envoy = createLocalEnvoy(settings.http, settings.https, {
    stateDir,
    binary: binary.path,
    adminSocket: inState('envoy', 'admin.sock'),
    gateSockets,
    certificates,
    onStart: (pid) => children.add(pid),
  });
  const envoyKeeper = await supervise('Envoy', () => envoy.run(), notice);
  children.ingress(envoy.http, envoy.https);

  const ops = await gateOpsAddresses(settings.ops, settings.gates);
  const admin = await gateAdminPlaces(settings);
  const gateOptions = (n: number) => ({
    settings,
    socket: gateSockets[n]!,
    ops: ops[n]!,
    admin: admin.places[n]!,
    ownListeners: [...envoy.http, ...envoy.https, ...ops, ...admin.tcp],
    logFile: join(stateDir, 'logs', `gate-${n}.log`),
    onStart: (pid: number) => children.add(pid),
  });
  const starting = gateSockets.map((_, n) =>
    supervise(`gate ${n}`, () => startGateProcess(gateOptions(n)), notice),
  );
  undo.push(async () => {
    // The door closes before those who answer for it.
    await envoyKeeper.stop();
    for (const gate of await Promise.allSettled(starting)) {
      if (gate.status === 'fulfilled') await gate.value.stop();
    }
  });
  await Promise.all(starting);
  await envoy.waitForGate(READY_WITHIN_MS);
  return {
    http: envoy.http,
    https: envoy.https,
    envoyVersion: binary.version,
    demoPort: demo.port,
    ca: certificates.ca,
  };
}
