import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { Address } from '../../src/address.ts';
import { type Gate, startGate } from '../../src/app.ts';
import { readSettings } from '../../src/config.ts';
import { ensureCertificates } from '../../src/dev/certificates/certificates.ts';
import { type BootstrapSettings, renderBootstrap } from '../../src/envoy/bootstrap.ts';
import { type EnvoyProcess, startEnvoy } from '../../src/envoy/process.ts';
import { parsePut } from '../../src/policy/put.ts';
import type { UnreadRecord } from '../../src/policy/record.ts';
import type { PolicyStore } from '../../src/policy/store.ts';
import { openStore, policyRules } from '../../src/policy-access.ts';
import { envoyBinary } from '../envoy-binary.ts';
import { expectInForce } from './in-force.ts';
import { PATIENCE_MS } from './patience.ts';
import { loadPatientConfig } from './patient-config.ts';

/** 64 hex characters, like E2B's tokens. */
export const TOKEN = '8af02a375695377b6884b2a1236fdeb3667a848881b2280e56bd634a69e348de';
export const OTHER_TOKEN = '5bdddb67f3397a250568df0a9944f048e5807f6416bec3da4f41191d93d2e513';
export const DOMAIN = 'e2b.localhost';

export const digestOf = (token: string) => createHash('sha256').update(token).digest('hex');

/** Real Envoy, a real gate in this process on a real socket, a real SQLite file. */
export interface TestStack {
  stateDir: string;
  http: Address;
  https: Address;
  /** Path of the CA certificate. */
  ca: string;
  envoy: EnvoyProcess;
  gate: Gate;
  store: PolicyStore;
  /** The contents of Envoy's access log and the gate's own log so far. */
  logs(): string;
  /** Writes records (in input form), and resolves when the gate applies them. */
  put(...records: Record<string, unknown>[]): Promise<UnreadRecord[]>;
  delete(sandboxId: string): Promise<void>;
  stop(): Promise<void>;
}

/** `flags` are those of `sandgate serve`, such as `{ domains: '*' }`; `envoy` is in addition to Envoy's addresses. */
export async function startTestStack(
  flags: Record<string, string> = {},
  envoy: Partial<BootstrapSettings> = {},
): Promise<TestStack> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await compose(flags, envoy, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

async function compose(
  flags: Record<string, string>,
  envoySettings: Partial<BootstrapSettings>,
  undo: (() => Promise<void> | void)[],
): Promise<TestStack> {
  const stateDir = mkdtempSync(join(tmpdir(), 'sandgate-test-'));
  undo.push(() => rmSync(stateDir, { recursive: true, force: true }));
  const socket = join(stateDir, 'check', 'gate.sock');
  const certificates = await ensureCertificates(join(stateDir, 'tls'), [DOMAIN], Date.now, () => {});
  const configFile = join(stateDir, 'envoy.yaml');
  const anyPort = [{ host: '127.0.0.1', port: 0 }];
  writeFileSync(
    configFile,
    renderBootstrap(await loadPatientConfig(), {
      http: anyPort,
      https: anyPort,
      tls: certificates,
      gates: [{ path: socket }],
      admin: { path: join(stateDir, 'admin.sock') },
      ...envoySettings,
    }),
  );
  const accessLog = join(stateDir, 'access.log');
  const envoy = await startEnvoy({
    binary: envoyBinary(),
    configFile,
    adminSocket: join(stateDir, 'admin.sock'),
    log: join(stateDir, 'envoy.log'),
    accessLog,
    concurrency: 1,
  });
  undo.push(() => envoy.stop(2000));
  const { http, https } = envoy.addresses;
  const settings = readSettings(
    'serve',
    {
      stateDir,
      listen: `unix:${socket}`,
      ops: '127.0.0.1:0',
      domains: DOMAIN,
      sandboxCidrs: '127.0.0.0/8',
      drain: '0',
      ownListeners: [...http, ...https].map(({ host, port }) => `${host}:${port}`).join(','),
      ...flags,
    },
    { baseDir: stateDir, ipv6Loopback: false },
    {},
  );
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const gate = await startGate(settings, log);
  undo.push(() => gate.close(AbortSignal.abort()));
  const store = await openStore(settings);
  undo.push(() => store.close());
  await envoy.waitForGate(PATIENCE_MS);

  return {
    stateDir,
    http: http[0]!,
    https: https[0]!,
    ca: certificates.ca,
    envoy,
    gate,
    store,
    logs: () =>
      [...lines, readFileSync(accessLog, 'utf8'), readFileSync(join(stateDir, 'envoy.log'), 'utf8')].join(
        '\n',
      ),
    async put(...records) {
      const rules = policyRules(settings);
      const written = await store.write(records.map((record) => parsePut(record, rules)));
      await expectInForce(stateDir, written.sequence);
      return written.records;
    },
    async delete(sandboxId) {
      await expectInForce(stateDir, (await store.delete(sandboxId)).sequence);
    },
    async stop() {
      for (const step of undo.splice(0).reverse()) await step();
    },
  };
}

/** A record in input form: a restricted sandbox on 127.0.0.1 that accepts TOKEN. */
export function restricted(sandboxId: string, over: { runtime?: object; access?: object } = {}) {
  return {
    sandboxId,
    runtime: { route: { address: '127.0.0.1' }, ...over.runtime },
    access: { tokens: [{ id: 'default', sha256: digestOf(TOKEN) }], ...over.access },
  };
}

export function publicSandbox(sandboxId: string, over: { runtime?: object; access?: object } = {}) {
  return restricted(sandboxId, { ...over, access: { allowPublicTraffic: true, tokens: [], ...over.access } });
}

/** The host of a sandbox's port. */
export const hostOf = (port: number, sandboxId: string) => `${port}-${sandboxId}.${DOMAIN}`;
