import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type Address, formatAddress } from '../../src/address.ts';
import { readSettings } from '../../src/config.ts';
import { loadBundledConfig, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { type EnvoyProcess, startEnvoy } from '../../src/envoy/process.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { PolicyStore } from '../../src/policy/store.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { type GateProcess, type GateProcessOptions, startGateProcess } from './gate-process.ts';
import { expectInForce } from './in-force.ts';
import { PATIENCE } from './patience.ts';
import { loadPatientConfig } from './patient-config.ts';
import { DOMAIN } from './test-stack.ts';

/** Real Envoy and gates as separate processes, each gate on its own socket, with one SQLite file. */
export interface ProcessStack {
  stateDir: string;
  http: Address;
  envoy: EnvoyProcess;
  /** Gates by number; a restarted one replaces its predecessor. */
  gates: GateProcess[];
  /** This process's own connection to the same file. */
  store: PolicyStore;
  /** Path of the socket of gate `n`. */
  socketOf(n: number): string;
  startGate(n: number, over?: Partial<GateProcessOptions>): Promise<GateProcess>;
  /** Waits until Envoy sees this many healthy gates. */
  waitForGates(count: number): Promise<void>;
  put(...records: Record<string, unknown>[]): Promise<void>;
  delete(sandboxId: string): Promise<void>;
  accessLog(): string;
  stop(): Promise<void>;
}

/** With `gates: 0` the test starts its own servers on the sockets. `flags` are those of `sandgate serve`. */
export async function startProcessStack(options: {
  gates: number;
  sockets?: number;
  flags?: Record<string, string>;
  /** Keeps Envoy's time limits of production, for gates that do not answer. Default false. */
  bundledBounds?: boolean;
  /** The `envoy/envoy.yaml` to use in place of the bundled one. */
  config?: string;
  /** A state folder to begin with; it is copied. */
  state?: string;
}): Promise<ProcessStack> {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  if (options.state !== undefined) cpSync(options.state, stateDir, { recursive: true });
  const inState = (...names: string[]) => join(stateDir, ...names);
  const sockets = Array.from({ length: options.sockets ?? Math.max(1, options.gates) }, (_, n) => ({
    path: inState('check', `gate-${n}.sock`),
  }));
  const source =
    options.config ?? (await (options.bundledBounds ? loadBundledConfig() : loadPatientConfig()));
  const config = renderBootstrap(source, {
    http: [{ host: '127.0.0.1', port: 0 }],
    https: [],
    gates: sockets,
    admin: { path: inState('admin.sock') },
  });
  writeFileSync(inState('envoy.yaml'), config);
  const envoy = await startEnvoy({
    binary: envoyBinary(),
    configFile: inState('envoy.yaml'),
    adminSocket: inState('admin.sock'),
    log: inState('envoy.log'),
    accessLog: inState('access.log'),
    concurrency: 1,
  });
  const http = envoy.addresses.http[0]!;
  const flags = { stateDir, domains: DOMAIN, sandboxCidrs: '127.0.0.0/8', ops: '127.0.0.1:0' };
  const settings = readSettings('serve', flags, { baseDir: stateDir, ipv6Loopback: false }, {});
  const store = await openStore(settings);
  const started: GateProcess[] = [];

  const stack: ProcessStack = {
    stateDir,
    http,
    envoy,
    gates: [],
    store,
    socketOf: (n) => sockets[n]!.path,
    async startGate(n, over = {}) {
      const own = { stateDir, socket: sockets[n]!.path, ownListeners: formatAddress(http) };
      const gate = await startGateProcess({ ...own, ...over, flags: { ...options.flags, ...over.flags } });
      started.push(gate);
      stack.gates[n] = gate;
      return gate;
    },
    waitForGates: (count) =>
      vi.waitFor(async () => {
        const healthy = await envoy.admin.healthyGates();
        if (healthy !== count) throw new Error(`Envoy sees ${healthy} healthy gates, not ${count}`);
      }, PATIENCE),
    async put(...records) {
      const rules = policyRules(settings);
      const { sequence } = await store.write(records.map((record) => parsePut(record, rules)));
      await expectInForce(stateDir, sequence);
    },
    async delete(sandboxId) {
      await expectInForce(stateDir, (await store.delete(sandboxId)).sequence);
    },
    accessLog: () => readFileSync(inState('access.log'), 'utf8'),
    async stop() {
      await envoy.stop(2000);
      await Promise.all(started.map((gate) => gate.end()));
      await store.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(Array.from({ length: options.gates }, (_, n) => stack.startGate(n)));
    if (options.gates > 0) await stack.waitForGates(options.gates);
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  }
}
